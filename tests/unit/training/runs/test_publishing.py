import json
from pathlib import Path

import pytest

from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.paths import MODEL
from training.dataset.manifest import Entry
from training.runs import publishing


def entry(file: str) -> Entry:
    return Entry(file=file, label=Verdict.REAL)


def test_a_digest_names_what_was_trained_on_and_in_which_order() -> None:
    one, other = entry("a.png"), entry("b.png")
    assert publishing.digest([one, other]) == publishing.digest([one, other])
    assert publishing.digest([one, other]) != publishing.digest([other, one])


def test_a_directory_is_claimed_again_by_the_same_run_and_refused_to_another(tmp_path: Path) -> None:
    publishing.claim(tmp_path, {"seed": 1})
    publishing.claim(tmp_path, {"seed": 1})
    with pytest.raises(BadSettings, match="another run"):
        publishing.claim(tmp_path, {"seed": 2})


def test_new_weights_get_the_start_s_files_and_a_card_that_claims_no_figures(tmp_path: Path) -> None:
    made, start = tmp_path / "made", Checkpoint.read(MODEL)
    made.mkdir()
    (made / "config.json").write_text("{}")
    publishing.complete(made, start, "sha256:new")
    card = json.loads((made / CARD_NAME).read_text())
    assert (card["trained_on"], card["metrics"], card["calibration"]) == ("sha256:new", {}, None)
    assert (made / "config.json").read_text() == "{}", "what the training wrote stays"
    assert (made / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()
    assert not (made / "model.safetensors").exists()
    assert not (made / "README.md").exists()


def test_a_directory_is_a_checkpoint_only_when_all_is_there(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    publishing.publish(MODEL, whole)
    assert {path.name for path in whole.iterdir()} == {path.name for path in MODEL.iterdir() if path.is_file()}
    (broken / "zoomin.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        publishing.publish(MODEL, broken)
    assert not (broken / "config.json").exists()
