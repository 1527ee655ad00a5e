from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.geometry import Size
from pipeline.verdict import Verdict
from tests.support.builders import build_noise, encode_image
from training.annotation import framing
from training.dataset import frame
from training.dataset.frame import FramedImage, FrameOptions, MeasuredImage, locate_frame
from training.dataset.labeled_image import LabeledImage
from training.dataset.left_out import LeftOut
from training.dataset.matched_sizes import SizedImage

R, G = Verdict.REAL, Verdict.GENERATED


def measured(name: str, label: Verdict, digest: str) -> MeasuredImage:
    return MeasuredImage(LabeledImage(file=name, label=label), SizedImage(label, (90, 90), digest))


def write_source(directory: Path, sizes: dict[str, Size]) -> list[LabeledImage]:
    """Write a noise image of each size; the names of photographs begin with r."""
    directory.mkdir()
    for number, (name, size) in enumerate(sizes.items()):
        (directory / name).write_bytes(encode_image(build_noise(*size, seed=number), "PNG"))
    return [LabeledImage(file=name, label=R if name.startswith("r") else G) for name in sizes]


def frame_source(
    directory: Path, images: list[LabeledImage], options: FrameOptions
) -> tuple[dict[str, FramedImage], list[LeftOut]]:
    framed, left_out = framing.frame_images(directory / "in", directory / "out", images, options, workers=1)
    return {own.image.file: own for own in framed}, left_out


def test_one_of_each_digest_stays_and_contradictions_go() -> None:
    drawn = [("a", R, "1"), ("b", G, "2"), ("c", R, "1"), ("d", R, "2"), ("e", R, "3")]
    unique, left_out = framing.drop_repeats([measured(*one) for one in drawn])
    assert [one.image.file for one in unique] == ["a", "e"]
    assert left_out == [
        LeftOut("c", "duplicate", "the same picture as a"),
        LeftOut("b", "mixed_labels", "one picture: b (generated), d (real)"),
        LeftOut("d", "mixed_labels", "one picture: b (generated), d (real)"),
    ]


def test_both_classes_come_in_the_same_sizes_and_no_image_is_enlarged(tmp_path: Path) -> None:
    images = write_source(tmp_path / "in", {"r0": (100, 80), "r1": (160, 90), "g0": (300, 300), "g1": (200, 200)})
    framed, _ = frame_source(tmp_path, images, FrameOptions())
    sizes = {name: own.placement.frame_px for name, own in framed.items()}
    assert Counter(sizes[name] for name in ("r0", "r1")) == Counter(sizes[name] for name in ("g0", "g1"))
    assert set(sizes.values()) == {(100, 80), (160, 90)}
    for own in framed.values():
        with Image.open(tmp_path / "out" / locate_frame(own.digest)) as stored:
            assert stored.size == own.provenance.size_px == own.placement.frame_px


def test_a_repeat_is_dropped_before_sizes_are_matched_whatever_its_file(tmp_path: Path) -> None:
    images = write_source(tmp_path / "in", {"r0": (100, 80), "r1": (400, 300), "g0": (100, 80), "g1": (400, 300)})
    Image.open(tmp_path / "in" / "r0").save(tmp_path / "in" / "r0b", "WEBP", lossless=True)
    framed, left_out = frame_source(tmp_path, [*images, LabeledImage(file="r0b", label=R)], FrameOptions())
    assert [(own.name, own.reason) for own in left_out] == [("r0b", "duplicate")]
    assert framed["g1"].placement.frame_px == (400, 300)


def test_sizes_of_their_own_stay_up_to_the_bound(tmp_path: Path) -> None:
    images = write_source(tmp_path / "in", {"r0": (100, 80), "g0": (300, 200)})
    framed, _ = frame_source(tmp_path, images, FrameOptions(match_sizes=False, max_pixels=15_000))
    assert framed["r0"].placement.frame_px == (100, 80)
    assert framed["g0"].placement.frame_px == (150, 100)


def test_a_reviewed_case_is_trained_on_as_it_was_seen(tmp_path: Path) -> None:
    """Both classes came in the sizes of one stream: the pixels get the JPEG step, and nothing is cut or resized."""
    images = write_source(tmp_path / "in", {"r0": (300, 225), "g0": (300, 225)})
    box = (40, 30, 140, 130)
    framed, _ = frame_source(tmp_path, [image.model_copy(update={"boxes": [box]}) for image in images], FrameOptions())
    for own in framed.values():
        with (
            Image.open(tmp_path / "out" / locate_frame(own.digest)) as stored,
            Image.open(tmp_path / "in" / own.image.file) as reviewed,
        ):
            difference = np.abs(np.asarray(stored, float) - np.asarray(reviewed.convert("RGB"), float))
        assert difference.mean() < 6
        assert own.placement.map_box(own.image.boxes[0]) == box


def test_broken_files_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    images = write_source(tmp_path / "in", {"r0": (100, 80), "g0": (100, 80)})
    whole = encode_image(build_noise(100, 80, seed=7), "JPEG")
    (tmp_path / "in" / "r0").write_bytes(whole[: len(whole) // 2])
    for match_sizes in (True, False):
        framed, left_out = frame_source(tmp_path, images, FrameOptions(match_sizes=match_sizes))
        assert [(own.name, own.reason) for own in left_out] == [("r0", "image_repaired")]
        assert not framed["g0"].provenance.repaired
    framed, left_out = frame_source(tmp_path, images, FrameOptions(keep_repaired=True))
    assert (framed["r0"].provenance.repaired, left_out) == (True, [])


def test_the_frame_of_the_paper_is_the_centre_square_of_either_class(tmp_path: Path) -> None:
    images = write_source(tmp_path / "in", {"r0": (100, 80), "g0": (300, 200)})
    framed, _ = frame_source(tmp_path, images, FrameOptions("512", match_sizes=False))
    for own in framed.values():
        with Image.open(tmp_path / "out" / locate_frame(own.digest)) as stored:
            assert stored.size == (512, 512)
    pixels = build_noise(300, 200, seed=1)
    assert framed["g0"].digest == frame.write_frame(tmp_path / "again", frame.apply_codec_chain(pixels))
