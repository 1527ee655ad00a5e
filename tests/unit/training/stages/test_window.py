import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from training.stages import window
from training.stages.window import Window, WindowCheck, WindowSearch
from training.synthetic import scene_files


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


def test_training_ends_at_a_check_in_the_window_and_each_check_is_on_file(tmp_path: Path) -> None:
    data = scene_files.write_scenes(tmp_path / "data", count=2, first_seed=window.FIRST_SCENE, workers=1).parent
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(MODEL)
    tokenizer, card = AutoTokenizer.from_pretrained(MODEL), Checkpoint.read(MODEL).card
    path = tmp_path / "window.jsonl"
    trained = WindowSearch(tokenizer, card, data, path)
    assert not trained(window.CHECK_EVERY_STEPS - 1, model), "no check is due"
    assert not path.exists()
    assert not trained(window.CHECK_EVERY_STEPS, model)
    (check,) = trained.checks
    assert (check.acc, check.acc_annotated) == (None, None), "boxes too good for the window need no further question"
    assert check.iou > window.STANDARD.most_iou
    wide = WindowSearch(tokenizer, card, data, path, Window(0.0, 1.0, -1.0))
    assert wide.checks == [check], "a run that goes on reads what was checked before"
    assert wide(2 * window.CHECK_EVERY_STEPS, model)
    assert wide.has_found
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [25, 50]
    assert wide.checks[1].acc is not None
    again = WindowSearch(tokenizer, card, data, path)
    again(window.CHECK_EVERY_STEPS, model)
    assert [check.step for check in again.checks] == [25], "checks after the step of the last checkpoint are made anew"
