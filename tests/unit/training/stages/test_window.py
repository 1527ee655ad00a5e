import pytest

from training.stages import window
from training.stages.window import WindowCheck


@pytest.mark.parametrize(
    ("iou", "acc", "acc_annotated", "inside"),
    [
        (0.30, 0.80, 0.85, True),
        (0.45, 0.70, 0.90, True),
        (0.29, 0.70, 0.90, False),
        (0.46, 0.70, 0.90, False),
        (0.40, 0.80, 0.84, False),
        (0.40, None, None, False),
    ],
)
def test_in_the_window_boxes_are_middling_and_cost_accuracy(
    iou: float, acc: float | None, acc_annotated: float | None, inside: bool
) -> None:
    assert window.STANDARD.contains(WindowCheck(25, iou, acc, acc_annotated)) == inside


def test_a_start_is_described_as_it_is_served() -> None:
    text = window.STANDARD.describe_start(0.4, 0.8, 0.9)
    assert text == (
        "as it is served, the start has IoU 0.400 and Acc 0.800, at annotated boxes 0.900: inside the window"
    )


def test_a_missed_window_is_told_with_the_nearest_check_and_a_remedy() -> None:
    early = [WindowCheck(25, 0.02), WindowCheck(50, 0.21)]
    assert window.describe_miss(early) == (
        "no start was found in the window, IoU 0.30 to 0.45 with Acc at annotated boxes 0.05 above Acc; nearest was "
        "step 50: IoU 0.210: give --start-minutes more, or name a start with --start"
    )
    late = [*early, WindowCheck(75, 0.36, 0.9, 0.92), WindowCheck(100, 0.6)]
    text = window.describe_miss(late)
    assert "nearest was step 75: IoU 0.360, Acc 0.900, at annotated boxes 0.920: take another seed" in text
    assert "ended before its first check" in window.describe_miss([])
