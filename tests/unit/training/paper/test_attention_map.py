"""On the tiny checkpoint: the heat lies where the answer says that something is."""

import numpy as np
import pytest
from PIL import Image

from pipeline import images, prompts
from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer
from pipeline.verdict import BoundingBox, Verdict
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from training.evaluation import samples
from training.evaluation.samples import Sample
from training.paper import attention_map
from training.paper.attention_map import HeatMap, Scanned
from training.synthetic import scenes

SCENES = range(scenes.HELD_OUT_SEED, scenes.HELD_OUT_SEED + 6)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint.read(MODEL)


def told(seed: int, checkpoint: Checkpoint) -> Scanned:
    """A scene with the answer that is right."""
    scene = scenes.make(seed)
    (sample,) = samples.of_scenes([scene])
    query = prompts.global_scan(images.view(scene.image, checkpoint.card.scan_max_pixels), "thousand")
    boxes = [tuple(round(edge / 512 * 50) * 20 for edge in box.corners) for box in scene.boxes]
    text = prompts.render_scan(scene.label, boxes, scenes.explain_scan(scene.label, scene.details))
    return Scanned(sample, query, text, scene.boxes)


@pytest.fixture(scope="module")
def maps(checkpoint: Checkpoint) -> list[HeatMap]:
    return attention_map.draw(checkpoint, [told(seed, checkpoint) for seed in SCENES])


def test_each_part_of_an_answer_has_its_map(maps: list[HeatMap]) -> None:
    assert [heat.part for heat in maps] == ["verdict", "boxes", "explanation"] * len(SCENES)
    assert all(heat.grid.shape == (5, 5) for heat in maps)
    assert all(heat.grid.min() >= 0 and heat.grid.max() == 1 for heat in maps)


def test_boxes_are_read_off_the_regions(maps: list[HeatMap]) -> None:
    told = attention_map.numbers([heat for heat in maps if heat.part == "boxes"])
    assert told["in_boxes"] > 2 * told["area_of_boxes"] > 0
    assert len(told["maps"]) == len(SCENES)


def test_heat_in_boxes_is_shared_by_area(checkpoint: Checkpoint) -> None:
    whole = told(SCENES[0], checkpoint)
    grid = np.zeros((4, 4), np.float32)
    grid[0, 0], grid[3, 3] = 1, 1
    half = Scanned(whole.sample, whole.query, whole.text, (BoundingBox(0, 0, 128, 64), BoundingBox(0, 0, 128, 64)))
    heat = HeatMap(half, "boxes", grid)
    assert heat.in_boxes == pytest.approx(0.25)
    assert heat.area_of_boxes == pytest.approx(1 / 32)
    assert attention_map.numbers([])["in_boxes"] is None


def test_the_caption_quotes_what_is_looked_for(maps: list[HeatMap]) -> None:
    assert maps[0].caption == "Image 0, in truth real; the verdict: real"
    assert maps[1].caption == "Image 0, in truth real; the boxes"
    assert "the explanation: The tone looks" in maps[2].caption


def test_an_answer_without_boxes_has_no_map_of_them(checkpoint: Checkpoint) -> None:
    whole = told(SCENES[0], checkpoint)
    text = prompts.render_scan(whole.sample.label, [], "Nothing.")
    without = Scanned(whole.sample, whole.query, text, ())
    assert [heat.part for heat in attention_map.draw(checkpoint, [without])] == ["verdict", "explanation"]


def test_the_picture_is_warm_where_the_map_is(checkpoint: Checkpoint) -> None:
    black = Sample(
        0,
        images.decode(images.png(Image.new("RGB", (140, 140))), max_pixels=99999),
        told(0, checkpoint).sample.label,
        (),
    )
    query = prompts.global_scan(black.image.pixels, "thousand")
    grid = np.zeros((5, 5), np.float32)
    grid[0, 4] = 1
    drawn = attention_map.picture(HeatMap(Scanned(black, query, "", ()), "boxes", grid))
    red = np.asarray(drawn)[..., 0].astype(float)
    across = drawn.width // 5
    assert red[:across, -across:].mean() > 80
    assert red[-across:, :across].max() == 0


async def test_query_1_is_asked_and_its_boxes_placed() -> None:
    wide = Sample(0, images.decode(images.png(Image.new("RGB", (560, 560))), max_pixels=10**6), Verdict.REAL, ())
    (one,) = await attention_map.scan([wide], DigestEngine())
    assert one.query.images[0].size == (504, 504)
    assert one.regions[0] == BoundingBox(31, 31, 124, 124)
    assert one.text.startswith("<verdict>")


async def test_an_unreadable_answer_is_left_out() -> None:
    wide = Sample(0, images.decode(images.png(Image.new("RGB", (280, 280))), max_pixels=10**6), Verdict.REAL, ())
    view = images.view(wide.image, 512 * 512)
    engine = DigestEngine(script={images.digest(view): {"scan": Answer("no", 0.5)}})
    assert await attention_map.scan([wide], engine) == []
