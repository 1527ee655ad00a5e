"""What a build decides without asking anybody; asking is tests/integration/training/test_build.py's."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.builders import build_noise, encode_image
from training.annotation import build as magnifake
from training.annotation.build import BuildPlan
from training.dataset import faults, left_out, manifest
from training.dataset.frame import FrameOptions
from training.dataset.left_out import LeftOut


def plan(tmp_path: Path, **fields: object) -> BuildPlan:
    plain = {
        "source": tmp_path / "in",
        "out": tmp_path / "out",
        "explain": None,
        "ground": None,
        "labels_only": True,
        "framing": FrameOptions(),
        "box_frame": "pixels",
        "seed": 0,
        "least_per_class": 3,
        "workers": 1,
        "concurrency": 2,
    }
    return BuildPlan(**(plain | fields))  # type: ignore[arg-type]


def write_images(directory: Path, *, real: int, generated: int) -> None:
    for label, count in ((Verdict.REAL, real), (Verdict.GENERATED, generated)):
        (directory / label).mkdir(parents=True)
        for number in range(count):
            pixels = build_noise(96, 80, seed=100 * len(label) + number)
            (directory / label / f"{number}.png").write_bytes(encode_image(pixels, "PNG"))


@pytest.mark.parametrize(
    ("real", "generated", "said"),
    [
        (19, 900, "too few images to train on: 19 real, 900 generated"),
        (0, 900, "too few images to train on: 0 real, 900 generated"),
        (100, 900, "too one-sided to train on: 100 real, 900 generated"),
    ],
)
def test_a_set_unfit_for_training_is_refused_with_its_counts(real: int, generated: int, said: str) -> None:
    counts = Counter({Verdict.REAL: real, Verdict.GENERATED: generated})
    with pytest.raises(BadSettings) as refused:
        faults.refuse_few(counts, 20, [LeftOut("x", "duplicate")] * 3)
    assert said in refused.value.detail
    assert "(left out: 3 duplicate)" in refused.value.detail


def test_a_set_fit_for_training_passes() -> None:
    faults.refuse_few(Counter({Verdict.REAL: 20, Verdict.GENERATED: 80}), 20)


def test_a_build_that_nobody_can_annotate_is_refused_before_it_begins(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=4, generated=4)
    with pytest.raises(BadSettings, match="8 images come without explanation: set ZOOMIN_TRAIN_EXPLAIN_URL"):
        magnifake.build(plan(tmp_path, labels_only=False))
    assert not (tmp_path / "out").exists()


def test_the_set_may_not_lie_in_its_source(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=4, generated=4)
    with pytest.raises(BadSettings, match="choose another --out"):
        magnifake.build(plan(tmp_path, out=tmp_path / "in" / "out"))


def test_a_source_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadSettings, match="no labeled image"):
        magnifake.build(plan(tmp_path))


def test_labels_alone_make_a_set_and_every_other_file_has_its_reason(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=5, generated=5)
    (tmp_path / "in" / "real" / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "in" / "real" / "again.png").write_bytes((tmp_path / "in" / "real" / "0.png").read_bytes())
    (tmp_path / "in" / "readme.txt").write_text("")
    built = magnifake.build(plan(tmp_path))
    assert left_out.count_reasons(built.left_out) == {"no_label": 1, "image_undecodable": 1, "duplicate": 1}
    assert Counter(one.label for one in built.images) == {Verdict.REAL: 5, Verdict.GENERATED: 5}
    assert {one.require_provenance().annotated_by for one in built.images} == {"nobody"}
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").glob("images/*/*")}
    assert files == {one.file for one in manifest.read_manifest(tmp_path / "out")}
    assert len((tmp_path / "out" / "left_out.jsonl").read_text().splitlines()) == 3


def test_a_smaller_set_built_again_keeps_no_image_of_the_larger(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=5, generated=5)
    magnifake.build(plan(tmp_path))
    (tmp_path / "in" / "real" / "0.png").unlink()
    built = magnifake.build(plan(tmp_path))
    assert len(built.images) == len(list((tmp_path / "out").glob("images/*/*"))) == 9


def test_a_refused_build_leaves_the_finished_set_as_it_was(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=5, generated=5)
    before = magnifake.build(plan(tmp_path)).images
    with pytest.raises(BadSettings, match="too few"):
        magnifake.build(plan(tmp_path, least_per_class=6))
    after = list(manifest.read_manifest(tmp_path / "out"))
    assert {one.file for one in after} == {one.file for one in before}
    assert all((tmp_path / "out" / one.file).is_file() for one in after)


def test_what_the_source_gives_is_kept_and_its_boxes_are_purified(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=4, generated=4)
    line = '{{"file": "{}", "label": "{}", "boxes": [[10, 10, 50, 50], [50, 10, 10, 50], [0, 0, 96, 80]]{}}}\n'
    said = ', "explanations": {"scan": "s", "check": "The grain of this image is that of a sensor."}'
    (tmp_path / "in" / "manifest.jsonl").write_text(
        "".join(line.format(f"{label}/{n}.png", label, said) for label in Verdict for n in range(4))
    )
    built = magnifake.build(plan(tmp_path, labels_only=False))
    assert all(len(one.boxes) == 1 for one in built.images)
    assert built.images[0].boxes[0] == (10, 10, 50, 50)
    assert dict(built.fates) == {"inverted or empty": 8, "over half of the image": 8}
    assert built.images[0].explanation == "The grain of this image is that of a sensor."


def test_a_class_of_one_picture_over_and_over_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "in", real=5, generated=1)
    picture = Image.open(tmp_path / "in" / "generated" / "0.png")
    for number in range(1, 5):
        again = picture.point([min(255, level + number) for level in range(256)] * 3)
        (tmp_path / "in" / "generated" / f"{number}.png").write_bytes(encode_image(again, "PNG"))
    with pytest.raises(BadSettings, match="too few different images to split: train: 3 real, 5 generated; validation"):
        magnifake.build(plan(tmp_path))
