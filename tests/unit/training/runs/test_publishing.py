import json
from pathlib import Path

import pytest

from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.labeled_images import build_case_origin, build_image
from tests.support.paths import MODEL
from training.dataset.labeled_image import LabeledImage
from training.dataset.manifest import read_manifest
from training.runs import publishing


def entry(file: str) -> LabeledImage:
    return LabeledImage(file=file, label=Verdict.REAL)


def test_a_digest_names_what_was_trained_on_and_in_which_order() -> None:
    first, second = entry("a.png"), entry("b.png")
    assert publishing.digest_entries([first, second]) == publishing.digest_entries([first, second])
    assert publishing.digest_entries([first, second]) != publishing.digest_entries([second, first])


def test_a_digest_stays_what_it_was_in_earlier_versions(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(
        '{"file":"scene-0000005.png","label":"generated","boxes":[[10,20,110,120]],'
        '"shown":["fabric with repeated tiles and seams"],"explanations":{"scan":"s","check":"c"}}\n'
        '{"file":"a.png","label":"real","origin":"reel 7","source":"web","split":"train"}\n'
    )
    expected = "sha256:0881236353f5eab4a9433badb8d4d562ad887600374659dcab2fda548b66597e"
    assert publishing.digest_entries(list(read_manifest(tmp_path))) == expected
    built = build_image(1)
    bare = built.model_copy(update={"provenance": None})
    assert publishing.digest_entries([built]) == publishing.digest_entries([bare])


def test_a_digest_tells_boxes_that_nobody_drew_from_none_found() -> None:
    unasked, empty = (build_image(1, case=build_case_origin(), boxes=boxes, shown=[]) for boxes in (None, []))
    assert publishing.digest_entries([unasked]) != publishing.digest_entries([empty])


def test_a_directory_is_claimed_again_by_the_same_run_and_refused_to_another(tmp_path: Path) -> None:
    publishing.write_run_config(tmp_path, {"seed": 1})
    publishing.write_run_config(tmp_path, {"seed": 1})
    with pytest.raises(BadSettings, match="another run"):
        publishing.write_run_config(tmp_path, {"seed": 2})


def test_values_that_may_change_do_not_make_another_run(tmp_path: Path) -> None:
    def write(**values: object) -> None:
        config = {"seed": 1, "values": values, "changed": sorted(values)}
        publishing.write_run_config(tmp_path, config, may_change=["generation"])

    write(steps=5, generation="vllm_colocate")
    write(steps=5, generation="transformers")
    assert json.loads((tmp_path / publishing.CONFIGURATION).read_text())["values"]["generation"] == "transformers"
    write(steps=5)
    with pytest.raises(BadSettings, match="another run"):
        write(steps=6)


def test_new_weights_get_the_start_s_files_and_a_card_that_claims_no_figures(tmp_path: Path) -> None:
    weights, start = tmp_path / "made", Checkpoint.read(MODEL)
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    publishing.complete_checkpoint(weights, start, "sha256:new")
    card = json.loads((weights / CARD_NAME).read_text())
    assert (card["trained_on"], card["metrics"], card["calibration"]) == ("sha256:new", {}, None)
    assert (weights / "config.json").read_text() == "{}", "what the training wrote stays"
    assert (weights / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()
    assert not (weights / "model.safetensors").exists()
    assert not (weights / "README.md").exists()


def test_what_a_killed_run_has_copied_in_part_is_copied_anew(tmp_path: Path) -> None:
    weights, start = tmp_path / "made", Checkpoint.read(MODEL)
    weights.mkdir()
    for name in ("config.json", "tokenizer.json", CARD_NAME):
        (weights / name).write_text("{")
    publishing.complete_checkpoint(weights, start, "sha256:new")
    assert (weights / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()
    assert (weights / "config.json").read_text() == "{", "training writes it anew"
    assert Checkpoint.read(weights).card.trained_on == "sha256:new"
    assert not list(weights.glob("*.part"))


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "config.json.part").mkdir()
    with pytest.raises(IsADirectoryError):
        publishing.publish_checkpoint(MODEL, tmp_path)
    assert not (tmp_path / "config.json").exists()
    assert (tmp_path / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()


def test_a_directory_is_a_checkpoint_only_when_all_is_there(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    publishing.publish_checkpoint(MODEL, whole)
    assert {path.name for path in whole.iterdir()} == {path.name for path in MODEL.iterdir() if path.is_file()}
    (broken / "zoomin.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        publishing.publish_checkpoint(MODEL, broken)
    assert not (broken / "config.json").exists()
