"""Parts of the experiment on the stages of GRPO: a plan, a result, predictions of arms, and a stand-in for engines."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from pipeline.checkpoint import Checkpoint
from pipeline.verdict import BoundingBox, Verdict
from tests.support.paths import MODEL
from tests.support.stored_engines import run_on_stand_in
from training.common.resampling import Metric
from training.engine.run import EngineSetup
from training.engine.stored_answers import StoringEngine
from training.evaluation.metrics import Prediction
from training.paper.ablations import AblationBudget
from training.stages.differences import ANNOTATED, OWN
from training.stages.plan import StagesPlan
from training.stages.results_file import ArmResult, Effort, StagesResult

T = TypeVar("T")
BOX, HALF = BoundingBox(0, 0, 40, 40), BoundingBox(0, 0, 40, 20)
OTHER = {Verdict.REAL: Verdict.GENERATED, Verdict.GENERATED: Verdict.REAL}
PLAN = StagesPlan(
    out=Path("out"),
    start=Checkpoint.read(MODEL),
    noise=0.4,
    start_minutes=30,
    arms=("control", "stage_1"),
    seeds=(0, 2),
    budget=AblationBudget("tiny", 10, 4, 8),
    minutes=float("inf"),
    train_scenes=100,
    scenes=20,
)
RESULT = StagesResult(
    commit="abc",
    date="2026-01-01",
    engine="vllm 1",
    start="zoomin-tiny",
    start_note="the start has room",
    plan={"steps": 2},
    seeds=[0],
    arms={
        "start": ArmResult(
            title="the start",
            seeds=[0],
            metrics={"acc": Metric(0.5, 0.4, 0.6, 10)},
            added_to_start={},
            added_to_control=None,
            efforts={0: Effort(answers=0, minutes=1.5)},
        )
    },
    claims=[],
)


def build_predictions(rights: str, box: BoundingBox = BOX) -> list[Prediction]:
    """Return a prediction for each digit: 1 is right and 0 wrong after a scan that is wrong; - is unreadable."""
    predictions = []
    for number, digit in enumerate(rights):
        label = Verdict.GENERATED if number % 2 else Verdict.REAL
        check = None if digit == "-" else label if digit == "1" else OTHER[label]
        scan = None if digit == "-" else OTHER[label]
        predictions.append(
            Prediction(label, scan, check, (box,), (BOX,), explanation="Tiles repeat.", reference="Tiles repeat.")
        )
    return predictions


def build_passes(own: str, annotated: str | None = None, box: BoundingBox = BOX) -> dict[str, list[Prediction]]:
    return {OWN: build_predictions(own, box), ANNOTATED: build_predictions(annotated or own, box)}


class StandIn:
    """Answers as `run_on_stand_in`, and counts the checkpoints that it served."""

    def __init__(self) -> None:
        self.served: list[str] = []

    def __call__(
        self, checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[StoringEngine], Coroutine[Any, Any, T]]
    ) -> T:
        self.served.append(checkpoint.revision)
        return run_on_stand_in(checkpoint, setup, work)
