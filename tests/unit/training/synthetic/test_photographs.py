import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline import images
from pipeline.verdict import Verdict
from tests.support.photographs import NAMES, build_photograph, load_photograph, load_tinted
from training.synthetic import photographs, scenes
from training.synthetic.photographs import InjectedFrame, Pair
from training.synthetic.scenes import SIDE_PX, Artifact

TEXTURES = {**{name: load_photograph(name) for name in NAMES}, "tinted": load_tinted()}


def pair_of(pixels: Image.Image) -> Pair:
    (pair,) = photographs.build_pairs(build_photograph(pixels))
    return pair


def levels(pixels: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(pixels, np.float64)


def change(real: InjectedFrame, generated: InjectedFrame) -> npt.NDArray[np.float64]:
    return (levels(generated.image.pixels) - levels(real.image.pixels)).mean(2)


@pytest.mark.parametrize("name", TEXTURES)
def test_an_artifact_is_plain_in_each_region_and_gone_from_the_view(name: str) -> None:
    real, generated = pair_of(TEXTURES[name])
    changed = change(real, generated)
    for box in generated.boxes:
        assert changed[box.y1 : box.y2, box.x1 : box.x2].std() > 5
    views = [levels(images.build_view(one.image, 140 * 140).pixels) for one in (real, generated)]
    assert views[0].shape == (140, 140, 3)
    assert np.sqrt(((views[1] - views[0]) ** 2).mean()) < 0.3  # gray levels: what rounding to whole ones leaves
    assert np.abs(views[1] - views[0]).max() <= 5


@pytest.mark.parametrize("name", TEXTURES)
def test_injected_artifacts_lie_beyond_what_the_view_can_hold(name: str) -> None:
    power = np.abs(np.fft.fft2(change(*pair_of(TEXTURES[name])))) ** 2
    cycles = np.abs(np.fft.fftfreq(SIDE_PX))
    nyquist = scenes.VIEW_SIDE_PX / SIDE_PX / 2
    coarse = np.maximum(*np.meshgrid(cycles, cycles)) < 0.75 * nyquist  # a view's filter is not a wall
    assert power[coarse].sum() < 0.01 * power.sum()


def test_a_real_frame_is_the_photograph_and_both_have_its_boxes() -> None:
    real, generated = pair_of(TEXTURES["camera"])
    assert images.digest_pixels(real.image.pixels) == images.digest_pixels(TEXTURES["camera"])
    assert (real.label, generated.label) == (Verdict.REAL, Verdict.GENERATED)
    assert real.boxes == generated.boxes
    assert set(real.artifacts) == {None}
    assert set(generated.artifacts) <= set(Artifact)
    assert len(real.artifacts) == len(generated.artifacts) == len(real.boxes)


def test_a_frame_gives_the_same_pair_wherever_it_lies() -> None:
    wide = Image.new("RGB", (3 * SIDE_PX + 200, SIDE_PX), "gray")
    wide.paste(load_photograph("aero"), (100 + 2 * SIDE_PX, 0))
    alone, within = pair_of(load_photograph("aero")), pair_of(wide)
    for one, other in zip(alone, within, strict=True):
        assert images.digest_pixels(one.image.pixels) == images.digest_pixels(other.image.pixels)
        assert (one.boxes, one.artifacts) == (other.boxes, other.artifacts)
    assert images.digest_pixels(alone[1].image.pixels) != images.digest_pixels(alone[0].image.pixels)


def test_regions_are_where_the_detail_is_and_keep_their_distance() -> None:
    counts = set()
    for turn in range(8):
        half = Image.new("RGB", (SIDE_PX, SIDE_PX), (turn, 90, 90))
        half.paste(load_photograph("ascent").crop((0, 0, SIDE_PX, 300)), (0, 212))
        boxes = pair_of(half)[0].boxes
        counts.add(len(boxes))
        assert all(box.y2 > 240 for box in boxes)
        assert max(max(box.corners) for box in boxes) <= SIDE_PX - scenes.BORDER_PX
        assert not any(scenes.are_near(a, b) for number, a in enumerate(boxes) for b in boxes[:number])
        assert list(boxes) == sorted(boxes, key=lambda box: (box.y1, box.x1))
    assert counts == {1, 2, 3}


def test_without_detail_there_is_nothing_to_plant_in() -> None:
    assert photographs.build_pairs(build_photograph(Image.new("RGB", (600, 600), "white"))) == []
    soft = Image.radial_gradient("L").resize((SIDE_PX, SIDE_PX)).convert("RGB")
    assert photographs.build_pairs(build_photograph(soft)) == []


def test_without_room_between_black_and_white_an_artifact_would_not_show() -> None:
    ink = load_photograph("ascent").point(lambda level: 255 * (level > 100))
    assert photographs.build_pairs(build_photograph(ink)) == []


@pytest.mark.parametrize(
    ("size", "frames"),
    [
        ((383, 900), 0),
        ((384, 900), 1),
        ((512, 512), 1),
        ((1535, 512), 1),
        ((1536, 512), 3),
        ((384, 1300), 3),
        ((2600, 2600), 9),
        ((600, 9000), 9),
    ],
)
def test_large_photographs_give_the_middle_and_what_lies_beside_it(size: tuple[int, int], frames: int) -> None:
    cut = photographs.cut_frames(build_photograph(Image.new("RGB", size)))
    assert [frame.size_px for frame in cut] == [(SIDE_PX, SIDE_PX)] * frames


def test_frames_do_not_overlap_and_begin_in_the_middle() -> None:
    width, height = 5 * SIDE_PX + 8, SIDE_PX
    across = np.broadcast_to(np.arange(width) // 16, (height, width)).astype(np.uint8)
    cut = photographs.cut_frames(build_photograph(Image.fromarray(across).convert("RGB")))
    starts = [int(np.asarray(frame.pixels)[0, 8, 0]) for frame in cut]
    middle = (width - SIDE_PX) // 2
    assert starts == [(middle + step * SIDE_PX + 8) // 16 for step in (0, -1, 1, -2, 2)]


def test_a_small_photograph_is_enlarged_to_a_frame() -> None:
    (frame,) = photographs.cut_frames(build_photograph(load_photograph("camera").resize((400, 440))))
    expected = load_photograph("camera").resize((512, 563)).crop((0, 25, 512, 537))
    assert np.abs(levels(frame.pixels) - levels(expected)).mean() < 8


def test_the_truth_is_told_in_words_that_no_scene_has() -> None:
    real, generated = pair_of(TEXTURES["aero"])
    assert real.check_explanation.startswith("Crop 1: texture with natural irregular detail.")
    assert generated.check_explanation.count("Crop") == len(generated.boxes)
    assert scenes.SHOWN[generated.artifacts[0]] in generated.check_explanation
    assert real.scan_explanation == generated.scan_explanation
    assert scenes.describe_place(real.boxes[0]) in real.scan_explanation
