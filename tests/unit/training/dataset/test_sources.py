import os
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.dataset import sources
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.left_out import LeftOut, write_left_out


def test_the_nearest_folder_that_names_a_class_labels_a_file(tmp_path: Path) -> None:
    files = ("real/a.png", "gen/train/ai/b.jpg", "gen/train/Nature/c.jpg", "x/0_real/y/d.png", "1_fake/real/e.png")
    for file in (*files, "notes.txt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    found = list(sources.list_images(tmp_path))
    labels = {one.file: one.label for one in found if isinstance(one, LabeledImage)}
    assert labels == {
        "real/a.png": Verdict.REAL,
        "gen/train/ai/b.jpg": Verdict.GENERATED,
        "gen/train/Nature/c.jpg": Verdict.REAL,
        "x/0_real/y/d.png": Verdict.REAL,
        "1_fake/real/e.png": Verdict.REAL,
    }
    (without,) = [one for one in found if isinstance(one, LeftOut)]
    assert (without.name, without.reason) == ("notes.txt", "no_label")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("ADM/val/ai/1.png", "ADM"),
        ("evaluation_sets/sd3/0_real/cats/1.png", "sd3"),
        ("web/real/1.png", "web"),
        ("real/1.png", None),
        ("train/generated/1.png", None),
    ],
)
def test_the_folder_above_the_classes_names_the_source(tmp_path: Path, file: str, source: str | None) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_bytes(b"")
    (found,) = sources.list_images(tmp_path)
    assert isinstance(found, LabeledImage)
    assert found.source == source


def test_a_manifest_brings_what_it_knows_unchecked(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(
        '{"file": "b.png", "label": "real", "origin": "reel 7", "source": "web"}\n'
        '{"file": "a.png", "label": "generated", "boxes": [[9, 9, 1, 1]], "shown": ["a hand"], '
        '"explanations": {"scan": "s", "check": "c"}}\n'
    )
    first, second = sources.list_images(tmp_path)
    assert first == LabeledImage(
        file="a.png",
        label=Verdict.GENERATED,
        boxes=[(9, 9, 1, 1)],
        shown=["a hand"],
        explanations=Explanations(scan="s", check="c"),
    )
    assert second == LabeledImage(file="b.png", label=Verdict.REAL, origin="reel 7", source="web")


def test_a_name_that_is_not_utf_8_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / os.fsdecode(b"\xff.png")).write_bytes(b"")
    assert list(sources.list_images(tmp_path)) == [LeftOut("real/?.png", "file_unreadable", "its name is not UTF-8")]


def test_what_was_left_out_on_the_way_is_told_again(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("")
    write_left_out(tmp_path, [LeftOut("cases/1.json", "case_pending")])
    assert list(sources.list_images(tmp_path)) == [LeftOut("cases/1.json", "case_pending")]


def test_no_directory_is_one_sentence_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="name one with folders real and generated"):
        list(sources.list_images(tmp_path / "none"))
