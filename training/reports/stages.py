"""What each stage of a training added: as the record of one seed, and as the part of the model card that tells it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline.errors import BadSettings
from training.common.resampling import Metric
from training.evaluation.summary import MEANINGS

NAME = "stages"
"""under which `metrics` of a checkpoint card holds a record"""
TITLES = {
    "sft": "fine-tuning",
    "grpo_1": "GRPO stage 1",
    "grpo_2": "GRPO stage 2",
    "calibrated": "calibration",
}
ANSWERS = ("acc", "i_acc", "iou", "iou_recall", "iou_f1", "bleu2", "boxes")
PROBABILITIES = ("ece", "brier", "nll", "uncertain", "acc_certain")
FALLS = "nll_drop"


class Looked(BaseModel):
    """What one set of weights did on the scenes that choose, and why it was not kept; step 0 is the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: int
    figures: dict[str, float]
    objections: list[str]


class Stage(BaseModel):
    """A stage's figures on held-out scenes, and paired what its trained weights added to the stage before.

    If those were not `kept`, the figures are still the stage's before; what they added may be unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    kept: bool
    figures: dict[str, Metric]
    added: dict[str, Metric]
    looked: list[Looked] = []


class Record(BaseModel):
    """One seed's training; `seeds` are all that were on record then."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seed: int
    commit: str
    date: str
    images: int
    stages: list[Stage]
    seeds: list[int] = []


_Seeds = TypeAdapter(dict[int, Record])


def read(file: Path) -> dict[int, Record]:
    """Every seed on record; none where there is no such file. Raises: BadSettings when it cannot be read."""
    if not file.is_file():
        return {}
    try:
        return _Seeds.validate_json(file.read_bytes())
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadSettings(f"{file}: {place}: {error.errors()[0]['msg']}; correct it or remove the file") from error


def keep(file: Path, record: Record) -> Record:
    """Into the file, in place of what it held of this seed; returns it with all seeds that are on record now."""
    others = {seed: one for seed, one in read(file).items() if seed != record.seed}
    record = record.model_copy(update={"seeds": sorted({*others, record.seed})})
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.write_bytes(_Seeds.dump_json(dict(sorted({**others, record.seed: record}.items())), indent=2) + b"\n")
    unfinished.replace(file)
    return record


def markdown(record: Record) -> str:
    """The model card's part about it."""
    return "\n".join(_lines({stage.name: stage for stage in record.stages}, record))


def _lines(stages: Mapping[str, Stage], record: Record) -> Iterator[str]:
    tuned = [stage for name, stage in stages.items() if name != "calibrated"]
    yield f"The same {record.images:,} held-out scenes for all, which chose nothing; what a stage added is paired, with"
    yield "a 95 % bootstrap interval. Of a stage that was not kept, it is what its last weights would have added.\n"
    yield "| figure | " + " | ".join(_head(stage, first=stage is tuned[0]) for stage in tuned) + " |"
    yield "|---" * (1 + len(tuned)) + "|"
    for name in ANSWERS:
        cells = [_whole(tuned[0].figures[name]), *(_added(stage, name) for stage in tuned[1:])]
        yield f"| {MEANINGS[name]} | " + " | ".join(cells) + " |"
    for stage in tuned[1:]:
        yield from _choice(stage)
    if calibrated := stages.get("calibrated"):
        yield from _calibration(tuned[-1], calibrated)
    seeds = ", ".join(map(str, record.seeds))
    yield f"\nSeed {record.seed}, commit {record.commit}, {record.date}; seeds on record in models/seeds.json: {seeds}."


def _head(stage: Stage, *, first: bool) -> str:
    return TITLES[stage.name] + ("" if first else " added")


def _whole(figure: Metric) -> str:
    return _spelled(figure, "{:.3f}")


def _added(stage: Stage, name: str) -> str:
    said = [_spelled(stage.added[name], "{:+.3f}")] if stage.added else []
    return ", ".join(said if stage.kept else [*said, "not kept"])


def _spelled(figure: Metric, form: str) -> str:
    if figure.value is None:
        return "none to judge"
    if figure.low is None or figure.high is None:
        return form.format(figure.value)
    return f"{form.format(figure.value)} ({form.format(figure.low)} to {form.format(figure.high)})"


def _choice(stage: Stage) -> Iterator[str]:
    """What decided: the start and each set of weights on the scenes that choose."""
    why = "its best weights" if stage.kept else "none of its weights and left the model as it was"
    yield f"\n{TITLES[stage.name]} kept {why}. On the scenes that choose, which are none of the above:\n"
    yield "| figure | " + " | ".join(f"step {one.step}" if one.step else "start" for one in stage.looked) + " |"
    yield "|---" * (1 + len(stage.looked)) + "|"
    for name in stage.looked[0].figures:
        yield f"| {MEANINGS[name]} | " + " | ".join(f"{one.figures[name]:.3f}" for one in stage.looked) + " |"
    yield "| not kept because | " + " | ".join("; ".join(one.objections) for one in stage.looked) + " |"


def _calibration(before: Stage, after: Stage) -> Iterator[str]:
    yield "\n| figure | before calibration | after |\n|---|---|---|"
    for name in PROBABILITIES:
        yield f"| {MEANINGS[name]} | {_whole(before.figures[name])} | {_whole(after.figures[name])} |"
    yield f"| negative log-likelihood, less by (paired) | | {_spelled(after.added[FALLS], '{:+.4f}')} |"
