"""From the stages' directories to one seed's record: each checkpoint judged once, and paired with the one before."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.checkpoint import Checkpoint, CheckpointCard
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import calibrate, calibration_metrics, comparison, evaluate
from training.evaluation.evaluate import Pass
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.grpo import plan as grpo_plan
from training.grpo import validation
from training.grpo.profiles import Stage as GrpoStage
from training.grpo.validation import Result
from training.reports import stages
from training.reports.stages import Looked, Record, Stage
from training.tiny_model import chain
from training.tiny_model.chain import Chain

Passes = Mapping[str, Sequence[Prediction]]
Judge = Callable[
    [Checkpoint, "list[tuple[list[Sample], Mapping[str, Pass]]]"], "tuple[dict[str, list[Prediction]], str]"
]
"""every pass over its samples, and by which engine"""
_KEPT = TypeAdapter(tuple[dict[str, list[Prediction]], str])


def judged(way: Chain, draw: Callable[[], list[Sample]], judge: Judge) -> tuple[dict[str, Passes], str]:
    """What each stage's checkpoint says of the samples, and the engine; what was asked before is read from disk.

    A stage that kept nothing has the checkpoint of the one before it, and what it refused is judged beside it;
    calibration changes no answer.
    """
    samples: list[Sample] = []
    said: dict[str, Passes] = {}
    engine = ""
    answering = {name: way.checkpoint(name) for name in (chain.SFT, chain.GRPO_1, chain.GRPO_2)}
    refused = [way.refused(name) for name in (chain.GRPO_1, chain.GRPO_2) if chain.finished(way.refused(name))]
    answering |= {directory.name: Checkpoint.read(directory) for directory in refused}
    last = answering[chain.GRPO_2].revision
    for name, checkpoint in answering.items():
        kept = way.work / f"judged-{checkpoint.revision.removeprefix('sha256:')[:12]}.json"
        if not kept.exists():
            samples = samples or draw()
            passes = evaluate.PASSES if checkpoint.revision == last else evaluate.OWN
            unfinished = kept.with_suffix(".part")
            unfinished.write_bytes(_KEPT.dump_json(judge(checkpoint, [(samples, passes)])))
            unfinished.replace(kept)
        said[name], engine = _KEPT.validate_json(kept.read_bytes())
    card = way.checkpoint(chain.CALIBRATED).card
    said[chain.CALIBRATED] = {name: [one.under(card) for one in ones] for name, ones in said[chain.GRPO_2].items()}
    return said, engine


def of(way: Chain, said: Mapping[str, Passes], *, commit: str) -> Record:
    """What each stage came to; `commit` is the code's."""
    own = {name: passes["own"] for name, passes in said.items()}
    done = [Stage(name=chain.SFT, kept=True, figures=_figures(own[chain.SFT]), added={})]
    for number, (before, name) in enumerate(((chain.SFT, chain.GRPO_1), (chain.GRPO_1, chain.GRPO_2)), start=1):
        kept = way.checkpoint(name).revision != way.checkpoint(before).revision
        looked = _looked(way.directory(name) / grpo_plan.RECORD / "validations.jsonl", number)
        trained = own.get(name if kept else way.refused(name).name)
        added = _rows(own[before], trained, "difference") if trained else {}
        done.append(Stage(name=name, kept=kept, figures=_figures(own[name]), added=added, looked=looked))
    done.append(_calibrated(own[chain.GRPO_2], way.checkpoint(chain.CALIBRATED).card))
    return Record(
        seed=way.seed,
        commit=commit,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        images=len(own[chain.SFT]),
        stages=done,
    )


def _figures(judged: Sequence[Prediction]) -> dict[str, Metric]:
    return _rows(judged, judged, "a") | _rounded(calibration_metrics.figures(judged), stages.PROBABILITIES)


def _rows(a: Sequence[Prediction], b: Sequence[Prediction], key: str) -> dict[str, Metric]:
    rows = {row["figure"]: Metric(**row[key]) for row in comparison.figures_of_both(a, b)}
    return {name: rows[name] for name in stages.ANSWERS}


def _rounded(shown: Mapping[str, Metric], names: Sequence[str]) -> dict[str, Metric]:
    return {name: Metric(**one) for name, one in resampling.convert_to_json({name: shown[name] for name in names}).items()}


def _calibrated(judged: Sequence[Prediction], card: CheckpointCard) -> Stage:
    uncalibrated = card.model_copy(update={"calibration": None, "uncertain_between": None})
    _, after = calibrate.compare(judged, uncalibrated, card, prevalence=None)
    figures = _rounded(after, stages.PROBABILITIES)
    return Stage(name=chain.CALIBRATED, kept=True, figures=figures, added=_rounded(after, [stages.FALLS]))


def _looked(file: Path, stage: int) -> list[Looked]:
    results = [Result(**json.loads(line)) for line in file.read_text().splitlines()]
    number: GrpoStage = 1 if stage == 1 else 2
    return [_look(number, one, results[0]) for one in results]


def _look(stage: GrpoStage, one: Result, start: Result) -> Looked:
    figures = {name: round(value, 4) for name, value in dataclasses.asdict(one).items() if name != "step"}
    objections = validation.objections(stage, one, start) if one.step else []
    return Looked(step=one.step, figures=figures, objections=objections)
