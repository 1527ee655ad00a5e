"""Define one check: the shape that is tried, how much is asked, and where files go."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.checkpoint import CheckpointCard

CPU_LAYERS = 2
CPU_WORDS = 4_096
CPU_SIDE_PX = 112


class CheckPlan(BaseModel):
    """`in_flight` are the numbers of images that are asked at once, one after the other.

    `layers` cuts the model and `words` the vocabulary; None takes all. `answer_tokens` bound one answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    size: str
    work: Path
    on_cpu: bool = False
    layers: int | None = None
    words: int | None = None
    tensor_parallel: int = 1
    in_flight: tuple[int, ...] = (1, 16, 256)
    answer_tokens: int = 200
    minutes: float = 10.0

    @property
    def checkpoint(self) -> Path:
        return self.work / f"dummy-{Path(self.size).name}"

    def build_card(self) -> CheckpointCard:
        """Build the card: Qwen's conventions; on a CPU the model sees small pictures."""
        if not self.on_cpu:
            return CheckpointCard()
        return CheckpointCard(scan_max_pixels=CPU_SIDE_PX**2, crop_max_pixels=CPU_SIDE_PX**2, max_crops=2)


def build_plan(
    size: str, work: Path, *, on_cpu: bool, layers: int | None, tensor_parallel: int, minutes: float
) -> CheckPlan:
    """Build the plan of a whole check, or of the same check in small for a CPU."""
    if on_cpu:
        return CheckPlan(
            size=size,
            work=work,
            on_cpu=True,
            layers=layers or CPU_LAYERS,
            words=CPU_WORDS,  # a process loads all 151,643 several times, for ten seconds of CPU time each
            tensor_parallel=tensor_parallel,
            in_flight=(1, 2),
            answer_tokens=4,
            minutes=minutes,
        )
    return CheckPlan(size=size, work=work, layers=layers, tensor_parallel=tensor_parallel, minutes=minutes)
