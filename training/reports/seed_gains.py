"""The gain of each training stage: as the result of one seed on file, and as a part of the model card."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline.errors import BadSettings
from training.common.resampling import Metric
from training.common.whole_file import write_whole
from training.evaluation.summary import MEANINGS

NAME = "stages"
"""the key of a seed's result in `metrics` of a checkpoint card"""
TITLES = {
    "sft": "fine-tuning",
    "grpo_1": "GRPO stage 1",
    "grpo_2": "GRPO stage 2",
    "calibrated": "calibration",
}
ANSWERS = ("acc", "i_acc", "iou", "iou_recall", "iou_f1", "bleu2", "boxes")
PROBABILITIES = ("ece", "brier", "nll", "uncertain", "acc_certain")
FALLS = "nll_drop"


class ValidatedWeights(BaseModel):
    """Metrics of one set of weights on the validation scenes, and why it did not replace the start, which is step 0.

    Of a run that looks once, the `published` ones decide: the last weights, cast and read again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: int
    published: bool = False
    figures: dict[str, float]
    objections: list[str]


class Stage(BaseModel):
    """Metrics after a stage on held-out scenes, and paired, the gain of its trained weights over the stage before.

    If those weights were not `kept`, the metrics are those of the stage before, and `added` may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    kept: bool
    figures: dict[str, Metric]
    added: dict[str, Metric]
    looked: list[ValidatedWeights] = []


class SeedResult(BaseModel):
    """The training of one seed; `seeds` are all that were on file then."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seed: int
    commit: str
    date: str
    images: int
    stages: list[Stage]
    seeds: list[int] = []


_Seeds = TypeAdapter(dict[int, SeedResult])


def read_seeds(file: Path) -> dict[int, SeedResult]:
    """Return the results by seed; none when there is no such file. Raises: BadSettings when it cannot be read."""
    if not file.is_file():
        return {}
    try:
        return _Seeds.validate_json(file.read_bytes())
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadSettings(f"{file}: {place}: {error.errors()[0]['msg']}; correct it or remove the file") from error


def store_seed(file: Path, result: SeedResult) -> SeedResult:
    """Add the result to the file or replace its seed's; return it with all seeds that are on file now."""
    others = {seed: other for seed, other in read_seeds(file).items() if seed != result.seed}
    result = result.model_copy(update={"seeds": sorted({*others, result.seed})})
    file.parent.mkdir(parents=True, exist_ok=True)
    seeds = dict(sorted({**others, result.seed: result}.items()))
    with write_whole(file) as unfinished:
        unfinished.write_bytes(_Seeds.dump_json(seeds, indent=2) + b"\n")
    return result


def render_stages(result: SeedResult) -> str:
    """Render the result as Markdown for the model card."""
    return "\n".join(_render_lines({stage.name: stage for stage in result.stages}, result))


def _render_lines(stages: Mapping[str, Stage], result: SeedResult) -> Iterator[str]:
    tuned = [stage for name, stage in stages.items() if name != "calibrated"]
    yield f"The same {result.images:,} held-out scenes for all, used for no choice; what a stage added is paired, with"
    yield "a 95 % bootstrap interval. Of a stage that was not kept, it is what its last weights would have added.\n"
    yield "| metric | " + " | ".join(_render_head(stage, first=stage is tuned[0]) for stage in tuned) + " |"
    yield "|---" * (1 + len(tuned)) + "|"
    for name in ANSWERS:
        cells = [_format_metric(tuned[0].figures[name]), *(_render_gain(stage, name) for stage in tuned[1:])]
        yield f"| {MEANINGS[name]} | " + " | ".join(cells) + " |"
    for stage in tuned[1:]:
        yield from _render_choice(stage)
    if calibrated := stages.get("calibrated"):
        yield from _render_calibration(tuned[-1], calibrated)
    seeds = ", ".join(map(str, result.seeds))
    yield f"\nSeed {result.seed}, commit {result.commit}, {result.date}; seeds on record in models/seeds.json: {seeds}."


def _render_head(stage: Stage, *, first: bool) -> str:
    return TITLES[stage.name] + ("" if first else " added")


def _format_metric(metric: Metric) -> str:
    return _format_with(metric, "{:.3f}")


def _render_gain(stage: Stage, name: str) -> str:
    gain = [_format_with(stage.added[name], "{:+.3f}")] if stage.added else []
    return ", ".join(gain if stage.kept else [*gain, "not kept"])


def _format_with(metric: Metric, form: str) -> str:
    if metric.value is None:
        return "none to judge"
    if metric.low is None or metric.high is None:
        return form.format(metric.value)
    return f"{form.format(metric.value)} ({form.format(metric.low)} to {form.format(metric.high)})"


def _render_choice(stage: Stage) -> Iterator[str]:
    """Render the choice of weights: the start and each set of weights on the validation scenes."""
    trained = "its last weights" if any(weights.published for weights in stage.looked) else "its best weights"
    why = trained if stage.kept else "none of its weights and left the model as it was"
    yield f"\n{TITLES[stage.name]} kept {why}. On the validation scenes, which are none of the above:\n"
    yield "| metric | " + " | ".join(map(_render_weights_head, stage.looked)) + " |"
    yield "|---" * (1 + len(stage.looked)) + "|"
    for name in stage.looked[0].figures:
        yield f"| {MEANINGS[name]} | " + " | ".join(f"{weights.figures[name]:.3f}" for weights in stage.looked) + " |"
    yield "| not kept because | " + " | ".join("; ".join(weights.objections) for weights in stage.looked) + " |"


def _render_weights_head(weights: ValidatedWeights) -> str:
    if weights.published:
        return "published"
    return f"step {weights.step}" if weights.step else "start"


def _render_calibration(before: Stage, after: Stage) -> Iterator[str]:
    yield "\n| metric | before calibration | after |\n|---|---|---|"
    for name in PROBABILITIES:
        yield f"| {MEANINGS[name]} | {_format_metric(before.figures[name])} | {_format_metric(after.figures[name])} |"
    yield f"| negative log-likelihood, less by (paired) | | {_format_with(after.added[FALLS], '{:+.4f}')} |"
