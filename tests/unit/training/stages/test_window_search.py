import json
from pathlib import Path

from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from training.stages import window_search
from training.stages.window import STANDARD, Window
from training.stages.window_search import WindowSearch
from training.synthetic import scene_files


def test_training_ends_at_a_check_in_the_window_and_each_check_is_on_file(tmp_path: Path) -> None:
    data = scene_files.write_scenes(tmp_path / "data", count=2, first_seed=window_search.FIRST_SCENE, workers=1).parent
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(MODEL)
    tokenizer, card = AutoTokenizer.from_pretrained(MODEL), Checkpoint.read(MODEL).card
    path = tmp_path / "window.jsonl"
    trained = WindowSearch(tokenizer, card, data, path)
    assert not trained(window_search.CHECK_EVERY_STEPS - 1, model), "no check is due"
    assert not path.exists()
    assert not trained(window_search.CHECK_EVERY_STEPS, model)
    (check,) = trained.checks
    assert (check.acc, check.acc_annotated) == (None, None), "boxes too good for the window need no further question"
    assert check.iou > STANDARD.most_iou
    wide = WindowSearch(tokenizer, card, data, path, Window(0.0, 1.0, -1.0))
    assert wide.checks == [check], "a run that goes on reads what was checked before"
    assert wide(2 * window_search.CHECK_EVERY_STEPS, model)
    assert wide.has_found
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [25, 50]
    assert wide.checks[1].acc is not None
    again = WindowSearch(tokenizer, card, data, path)
    again(window_search.CHECK_EVERY_STEPS, model)
    assert [check.step for check in again.checks] == [25], "checks after the step of the last checkpoint are made anew"
