"""The window of starts from which the stages can help. Pure.

In the window the model knows the task and its own boxes still cost it accuracy. Before it, rewards of boxes are flat
and GRPO falls to one box; after it, there is nothing left to win.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Bounds of the overlap (Eq. 2), and the least that Acc at annotated boxes has to be above Acc."""

    least_iou: float = 0.30
    most_iou: float = 0.45
    least_room: float = 0.05

    def has_iou(self, iou: float) -> bool:
        return self.least_iou <= iou <= self.most_iou

    def contains(self, check: "WindowCheck") -> bool:
        """Tell whether the stages can help from here."""
        if check.acc is None or check.acc_annotated is None:
            return False
        return self.holds(check.iou, check.acc, check.acc_annotated)

    def holds(self, iou: float, acc: float, acc_annotated: float) -> bool:
        return self.has_iou(iou) and round(acc_annotated - acc, 6) >= self.least_room

    def describe_start(self, iou: float, acc: float, acc_annotated: float) -> str:
        """Say where a start lies that was judged as it is served."""
        inside = self.holds(iou, acc, acc_annotated)
        return (
            f"as it is served, the start has IoU {iou:.3f} and Acc {acc:.3f}, at annotated boxes {acc_annotated:.3f}: "
            + ("inside the window" if inside else f"outside the window ({self}), so little is to be expected")
        )

    def __str__(self) -> str:
        return (
            f"IoU {self.least_iou:.2f} to {self.most_iou:.2f} with Acc at annotated boxes "
            f"{self.least_room:.2f} above Acc"
        )


STANDARD = Window()


@dataclass(frozen=True, slots=True)
class WindowCheck:
    """Metrics of the model in training after one step; Acc is measured only where IoU lies in the window."""

    step: int
    iou: float
    acc: float | None = None
    acc_annotated: float | None = None

    def __str__(self) -> str:
        room = "" if self.acc is None else f", Acc {self.acc:.3f}, at annotated boxes {self.acc_annotated:.3f}"
        return f"step {self.step}: IoU {self.iou:.3f}{room}"


def describe_miss(checks: Sequence[WindowCheck], window: Window = STANDARD) -> str:
    """Say why the search found no start, with the check that came nearest, and the remedy."""
    if not checks:
        return f"fine-tuning ended before its first check; wanted was {window}: give --start-minutes more"
    middle = (window.least_iou + window.most_iou) / 2
    nearest = min(checks, key=lambda check: (not window.has_iou(check.iou), abs(check.iou - middle)))
    remedy = (
        "take another seed, or name a start with --start"
        if max(check.iou for check in checks) >= window.least_iou
        else "give --start-minutes more, or name a start with --start"
    )
    return f"no start was found in the window, {window}; nearest was {nearest}: {remedy}"
