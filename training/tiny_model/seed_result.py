"""The result of one seed, from the directories of its stages.

Each checkpoint predicts once, and each stage is paired with the one before it.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.checkpoint import Checkpoint, CheckpointCard
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import calibrate, calibration_metrics, comparison, evaluate, stored_predictions
from training.evaluation.evaluate import Pass
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.grpo import run_config as grpo_run_config
from training.grpo import validator as grpo_validator
from training.reports import seed_gains
from training.reports.seed_gains import SeedResult, Stage, ValidatedWeights
from training.runs import publishing
from training.tiny_model import chain
from training.tiny_model.chain import Chain
from training.validation.result import ValidationResult

Passes = Mapping[str, Sequence[Prediction]]
Predict = Callable[
    [Checkpoint, "list[tuple[list[Sample], Mapping[str, Pass]]]"], "tuple[dict[str, list[Prediction]], str]"
]
"""the predictions of every pass over its samples, and the name of the engine"""


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
            stored_predictions.store_predictions(path, *predict(checkpoint, [(samples, passes)]))
        predictions[name], engine = stored_predictions.read_predictions(path)
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


def build_seed_result(chain_run: Chain, predictions: Mapping[str, Passes], *, commit: str) -> SeedResult:
    """Compute the metrics of each stage and its difference to the one before; `commit` is the code's."""
    own = {name: passes["own"] for name, passes in predictions.items()}
    stage_results = [Stage(name=chain.SFT, kept=True, figures=_compute_metrics(own[chain.SFT]), added={})]
    for before, name in ((chain.SFT, chain.GRPO_1), (chain.GRPO_1, chain.GRPO_2)):
        is_new = chain_run.read_checkpoint(name).revision != chain_run.read_checkpoint(before).revision
        trained = own.get(name if is_new else chain_run.locate_refused(name).name)
        stage_results.append(
            Stage(
                name=name,
                kept=is_new,
                figures=_compute_metrics(own[name]),
                added=_compare(own[before], trained, "difference") if trained else {},
                looked=read_validations(chain_run.locate_stage(name) / grpo_run_config.DIRECTORY),
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


def _compute_metrics(predictions: Sequence[Prediction]) -> dict[str, Metric]:
    calibration = calibration_metrics.compute_calibration_metrics(predictions)
    return _compare(predictions, predictions, "a") | _round_metrics(calibration, seed_gains.PROBABILITIES)


def _compare(a: Sequence[Prediction], b: Sequence[Prediction], key: str) -> dict[str, Metric]:
    rows = {row["figure"]: Metric(**row[key]) for row in comparison.compare_metrics(a, b)}
    return {name: rows[name] for name in seed_gains.ANSWERS}


def _round_metrics(computed: Mapping[str, Metric], names: Sequence[str]) -> dict[str, Metric]:
    return resampling.round_metrics({name: computed[name] for name in names})


def _build_calibrated(predictions: Sequence[Prediction], card: CheckpointCard) -> Stage:
    _, after = calibrate.compare_calibrations(predictions, card.remove_calibration(), card, prevalence=None)
    figures = _round_metrics(after, seed_gains.PROBABILITIES)
    return Stage(name=chain.CALIBRATED, kept=True, figures=figures, added=_round_metrics(after, [seed_gains.FALLS]))


def read_validations(run_directory: Path) -> list[ValidatedWeights]:
    """Read the validation results of a stage; the last one is of the published weights, with the checks they failed."""
    lines = (run_directory / grpo_validator.NAME).read_text().splitlines()
    outcome = json.loads((run_directory / publishing.OUTCOME).read_text())
    curve = [
        _describe_result(ValidationResult(**json.loads(line)), published=False, failed_checks=[]) for line in lines
    ]
    decided = ValidationResult(**outcome["published"])
    return [*curve, _describe_result(decided, published=True, failed_checks=outcome["failed_checks"])]


def _describe_result(result: ValidationResult, *, published: bool, failed_checks: list[str]) -> ValidatedWeights:
    figures = {name: round(value, 4) for name, value in dataclasses.asdict(result).items() if name != "step"}
    return ValidatedWeights(step=result.step, published=published, figures=figures, objections=failed_checks)
