"""The result of one seed, from the directories of its stages.

Each checkpoint predicts once, and each stage is paired with the one before it.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from pipeline.checkpoint import Checkpoint, CheckpointCard
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import calibrate, calibration_metrics, comparison, evaluate
from training.evaluation.evaluate import Pass
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.grpo import run_config as grpo_run_config
from training.grpo import validation
from training.grpo.profiles import Stage as GrpoStage
from training.grpo.validation import ValidationResult
from training.reports import stages
from training.reports.stages import SeedResult, Stage, ValidatedWeights
from training.tiny_model import chain
from training.tiny_model.chain import Chain

Passes = Mapping[str, Sequence[Prediction]]
Predict = Callable[
    [Checkpoint, "list[tuple[list[Sample], Mapping[str, Pass]]]"], "tuple[dict[str, list[Prediction]], str]"
]
"""the predictions of every pass over its samples, and the name of the engine"""
_STORED = TypeAdapter(tuple[dict[str, list[Prediction]], str])


def predict_stages(
    chain_run: Chain, draw: Callable[[], list[Sample]], predict: Predict
) -> tuple[dict[str, Passes], str]:
    """Return the predictions of each stage's checkpoint, and the engine; predictions on disk are read, not repeated.

    A stage whose weights were refused has the checkpoint of the stage before it, and the refused weights predict too;
    calibration changes no answer.
    """
    samples: list[Sample] = []
    predictions: dict[str, Passes] = {}
    engine = ""
    checkpoints = find_checkpoints(chain_run)
    last = checkpoints[chain.GRPO_2].revision
    for name, checkpoint in checkpoints.items():
        path = chain_run.work / f"judged-{checkpoint.revision.removeprefix('sha256:')[:12]}.json"
        if not path.exists():
            samples = samples or draw()
            passes = evaluate.PASSES if checkpoint.revision == last else evaluate.OWN
            unfinished = path.with_suffix(".part")
            unfinished.write_bytes(_STORED.dump_json(predict(checkpoint, [(samples, passes)])))
            unfinished.replace(path)
        predictions[name], engine = _STORED.validate_json(path.read_bytes())
    card = chain_run.read_checkpoint(chain.CALIBRATED).card
    predictions[chain.CALIBRATED] = {
        name: [prediction.recalibrate(card) for prediction in of_pass]
        for name, of_pass in predictions[chain.GRPO_2].items()
    }
    return predictions, engine


def find_checkpoints(chain_run: Chain) -> dict[str, Checkpoint]:
    """Return the checkpoint of each trained stage by its name, and those of refused weights by their directory's."""
    checkpoints = {name: chain_run.read_checkpoint(name) for name in (chain.SFT, chain.GRPO_1, chain.GRPO_2)}
    refused = [chain_run.locate_refused(name) for name in (chain.GRPO_1, chain.GRPO_2)]
    return checkpoints | {path.name: Checkpoint.read(path) for path in refused if chain.is_finished(path)}


def build_record(chain_run: Chain, predictions: Mapping[str, Passes], *, commit: str) -> SeedResult:
    """Compute the metrics of each stage and its difference to the one before; `commit` is the code's."""
    own = {name: passes["own"] for name, passes in predictions.items()}
    stage_results = [Stage(name=chain.SFT, kept=True, figures=_compute_figures(own[chain.SFT]), added={})]
    for number, (before, name) in enumerate(((chain.SFT, chain.GRPO_1), (chain.GRPO_1, chain.GRPO_2)), start=1):
        is_new = chain_run.read_checkpoint(name).revision != chain_run.read_checkpoint(before).revision
        file = chain_run.locate_stage(name) / grpo_run_config.DIRECTORY / "validations.jsonl"
        trained = own.get(name if is_new else chain_run.locate_refused(name).name)
        stage_results.append(
            Stage(
                name=name,
                kept=is_new,
                figures=_compute_figures(own[name]),
                added=_compare(own[before], trained, "difference") if trained else {},
                looked=read_validations(file, 1 if number == 1 else 2),
            )
        )
    stage_results.append(_build_calibrated(own[chain.GRPO_2], chain_run.read_checkpoint(chain.CALIBRATED).card))
    return SeedResult(
        seed=chain_run.seed,
        commit=commit,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        images=len(own[chain.SFT]),
        stages=stage_results,
    )


def _compute_figures(predictions: Sequence[Prediction]) -> dict[str, Metric]:
    calibration = calibration_metrics.compute_calibration_metrics(predictions)
    return _compare(predictions, predictions, "a") | _round_metrics(calibration, stages.PROBABILITIES)


def _compare(a: Sequence[Prediction], b: Sequence[Prediction], key: str) -> dict[str, Metric]:
    rows = {row["figure"]: Metric(**row[key]) for row in comparison.compare_metrics(a, b)}
    return {name: rows[name] for name in stages.ANSWERS}


def _round_metrics(computed: Mapping[str, Metric], names: Sequence[str]) -> dict[str, Metric]:
    rounded = resampling.convert_to_json({name: computed[name] for name in names})
    return {name: Metric(**cast(dict[str, Any], metric)) for name, metric in rounded.items()}


def _build_calibrated(predictions: Sequence[Prediction], card: CheckpointCard) -> Stage:
    _, after = calibrate.compare_calibrations(predictions, card.remove_calibration(), card, prevalence=None)
    figures = _round_metrics(after, stages.PROBABILITIES)
    return Stage(name=chain.CALIBRATED, kept=True, figures=figures, added=_round_metrics(after, [stages.FALLS]))


def read_validations(file: Path, stage: GrpoStage) -> list[ValidatedWeights]:
    """Read the validation results of a stage, each with the regression checks that it failed."""
    results = [ValidationResult(**json.loads(line)) for line in file.read_text().splitlines()]
    return [_describe_result(stage, result, results[0]) for result in results]


def _describe_result(stage: GrpoStage, result: ValidationResult, start: ValidationResult) -> ValidatedWeights:
    figures = {name: round(value, 4) for name, value in dataclasses.asdict(result).items() if name != "step"}
    failed = validation.find_failed_checks(stage, result, start) if result.step else []
    return ValidatedWeights(step=result.step, figures=figures, objections=failed)
