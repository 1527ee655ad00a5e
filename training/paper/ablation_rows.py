"""`zoomin-train paper-tables --train`: the rows of table 1 that are trainings, one at a time, and what they came to."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, get_args

from pipeline.errors import BadSettings
from training.cli.engine import on_engine
from training.cli.numbers import positive, training_seed
from training.common import provenance
from training.common.progress import spell
from training.paper import ablations
from training.paper.ablations import OWN, TRAININGS, UNTRAINED, Budget
from training.runs.profiles import Name
from training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.checkpoint import Checkpoint
    from pipeline.engine import VisionEngine
    from training.evaluation.metrics import Prediction
    from training.evaluation.samples import Sample
    from training.paper import ablation_run
    from training.paper.recorded import Recorded
    from training.sft.profiles import Variant

    T = TypeVar("T")

    class OnEngine(Protocol):
        """`training.cli.engine.on_engine`, or what stands in for it."""

        def __call__(
            self, checkpoint: Checkpoint, concurrency: int, work: Callable[[VisionEngine], Awaitable[T]]
        ) -> T: ...


VALIDATION_SCENES = 200


def configure(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("rows that are other trainings; their figures are kept in variants.json")
    options.add_argument(
        "--train",
        nargs="*",
        choices=list(TRAININGS),
        metavar="ROW",
        help=f"train and judge them first: these, or all that are not recorded yet ({', '.join(TRAININGS)}; "
        f"{OWN} is the model's own row with the budget of the others)",
    )
    options.add_argument(
        "--start", type=Path, metavar="DIR", help="the fine-tuned checkpoint that all start from (default: MODEL)"
    )
    options.add_argument(
        "--base", type=Path, metavar="DIR", help="the untrained checkpoint (with profile tiny: made from nothing)"
    )
    options.add_argument("--train-data", type=Path, metavar="DIR", help="set to learn from (default: scenes)")
    options.add_argument(
        "--profile", choices=get_args(Name), default="tiny", help="where values come from (default %(default)s)"
    )
    options.add_argument(
        "--steps", type=positive, metavar="N", help="GRPO steps of a row (default: both stages of the profile)"
    )
    options.add_argument("--prompts", type=positive, metavar="N", help="prompts a step (default: the profile's)")
    options.add_argument("--generations", type=positive, metavar="N", help="answers a prompt (default: the profile's)")
    options.add_argument("--seed", type=training_seed, default=0, metavar="S", help="0 to 60 (default 0)")


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What is to be done for the rows: how they are trained, what they are judged on, where figures are kept."""

    plan: "ablation_run.Plan"
    base: Path | None
    samples: "Sequence[Sample]"
    file: Path


def run(
    args: argparse.Namespace,
    settings: TrainSettings,
    samples: "Sequence[Sample]",
    file: Path,
    on_engine: "OnEngine" = on_engine,
) -> None:
    """Trains and judges what is asked for, and writes `file` after each row; what is recorded stays when it is killed.

    Raises: BadSettings, TrainingFailed, EngineDead; what decoding an image of the data raises.
    """
    from training.paper import recorded

    work = _work(args, settings, samples, file)
    commit = provenance.commit_of(provenance.CHECKOUT)
    rows = args.train or _missing(work)
    began = time.monotonic()
    for done, name in enumerate(rows):
        pace_s = (time.monotonic() - began) / max(1, done)
        left = f"about {spell(pace_s * (len(rows) - done))} left" if done else "time left unknown yet"
        print(f"row {done + 1} of {len(rows)}, {name}: {left}", file=sys.stderr)
        row = _row(work, name, settings, commit, on_engine)
        recorded.write(file, name, row)
        print(f"{name}: Acc {row.figures['acc']}")


def _work(args: argparse.Namespace, settings: TrainSettings, samples: "Sequence[Sample]", file: Path) -> Work:
    from pipeline.checkpoint import Checkpoint
    from training.grpo import plan as grpo_plan
    from training.paper import ablation_run
    from training.synthetic import scene_files

    scenes = partial(scene_files.cached_scenes, settings.cache_directory, workers=settings.workers)
    plan = ablation_run.Plan(
        start=Checkpoint.read(args.start or args.model),
        data=args.train_data or scenes(first_seed=args.seed * 100_000 + grpo_plan.FIRST_SCENE, count=grpo_plan.SCENES),
        validation=args.train_data or scenes(first_seed=grpo_plan.VALIDATION_SCENE, count=VALIDATION_SCENES),
        budget=Budget.of(args.profile, steps=args.steps, prompts=args.prompts, generations=args.generations),
        seed=args.seed,
        threads=settings.threads,
        cache=settings.cache_directory,
    )
    return Work(plan, args.base, samples, file)


def _missing(work: Work) -> list[str]:
    """The rows that are not recorded; of those that are, it tells which do not belong with them."""
    from training.paper import recorded

    kept = recorded.read(work.file)
    others = [name for name, row in kept.items() if not _belongs(work, name, row)]
    if others:
        print(
            f"recorded from another start, or with another budget or seed: {', '.join(others)}; "
            "name them after --train to train them anew",
            file=sys.stderr,
        )
    return [name for name in TRAININGS if name not in kept]


def _belongs(work: Work, name: str, row: "Recorded") -> bool:
    same_start = name == UNTRAINED or row.start == _said(work.plan.start)
    phases = ablations.in_words(TRAININGS[name], work.plan.budget)
    return same_start and (row.phases, row.seed) == (phases, work.plan.seed)


def _row(work: Work, name: str, settings: TrainSettings, commit: str, on_engine: "OnEngine") -> "Recorded":
    from training.paper import ablation_run, variants
    from training.paper.recorded import Recorded

    training = TRAININGS[name]
    start = _base(work, settings) if name == UNTRAINED else work.plan.start
    checkpoint = start if name == UNTRAINED else ablation_run.train(work.plan, training)
    asked = partial(judge, training.variant, work.samples, concurrency=settings.concurrency)
    judged = on_engine(checkpoint, settings.concurrency, asked)
    return Recorded(
        variants.of_training(training.variant, judged),
        commit,
        work.plan.seed,
        f"{datetime.now(UTC):%Y-%m-%d}",
        _said(start),
        ablations.in_words(training, work.plan.budget),
    )


def _base(work: Work, settings: TrainSettings) -> "Checkpoint":
    from pipeline.checkpoint import Checkpoint
    from training.tiny_model import untrained

    if work.base:
        return Checkpoint.read(work.base)
    if work.plan.budget.profile != "tiny":
        raise BadSettings("the row base needs the untrained checkpoint; name its directory with --base")
    made = settings.cache_directory / "variants" / f"untrained-{work.plan.seed}"
    if not made.is_dir():
        untrained.make(made, seed=work.plan.seed, cache=settings.cache_directory, workers=settings.workers)
    return Checkpoint.read(made)


def _said(checkpoint: "Checkpoint") -> str:
    from training.paper import ablation_run

    return f"{checkpoint.name}, weights {ablation_run.weights(checkpoint)}"


async def judge(
    variant: "Variant", samples: "Sequence[Sample]", engine: "VisionEngine", *, concurrency: int
) -> "Sequence[Prediction]":
    """The images, asked as the engine's checkpoint was trained.

    Raises: EngineDead.
    """
    from training.evaluation import evaluate

    asked = evaluate.Pass(one_turn=None if variant == "two_turn" else variant)
    judged = await evaluate.judge(samples, engine, concurrency=concurrency, passes={variant: asked})
    return judged[variant]
