"""On the tiny checkpoint: the attention lies where the answer says that something is."""

import numpy as np
import pytest
from PIL import Image

from pipeline import images, prompts
from pipeline.checkpoint import Checkpoint
from pipeline.decoding.decode import decode
from pipeline.engine import Answer
from pipeline.verdict import BoundingBox, Verdict
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from training.evaluation import samples
from training.evaluation.samples import Sample
from training.paper import attention_map
from training.paper.attention_map import AttentionMap, ScannedSample
from training.synthetic import scenes

SCENES = range(scenes.HELD_OUT_SEED, scenes.HELD_OUT_SEED + 6)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint.read(MODEL)


def build_scanned(seed: int, checkpoint: Checkpoint) -> ScannedSample:
    """A scene with the answer that is right."""
    scene = scenes.draw_scene(seed)
    (sample,) = samples.convert_scenes([scene])
    query = prompts.build_global_scan(images.build_view(scene.image, checkpoint.card.scan_max_pixels), "thousand")
    boxes = [tuple(round(edge / 512 * 50) * 20 for edge in box.corners) for box in scene.boxes]
    text = prompts.render_scan(scene.label, boxes, scenes.explain_scan(scene.label, scene.details))
    return ScannedSample(sample, query, text, scene.boxes)


@pytest.fixture(scope="module")
def maps(checkpoint: Checkpoint) -> list[AttentionMap]:
    return attention_map.compute_attention_maps(checkpoint, [build_scanned(seed, checkpoint) for seed in SCENES])


def test_each_part_of_an_answer_has_its_map(maps: list[AttentionMap]) -> None:
    assert [attention.part for attention in maps] == ["verdict", "boxes", "explanation"] * len(SCENES)
    assert all(attention.grid.shape == (5, 5) for attention in maps)
    assert all(attention.grid.min() >= 0 and attention.grid.max() == 1 for attention in maps)


def test_boxes_are_read_off_the_regions(maps: list[AttentionMap]) -> None:
    summary = attention_map.summarize_maps([attention for attention in maps if attention.part == "boxes"])
    assert summary["in_boxes"] > 2 * summary["area_of_boxes"] > 0
    assert len(summary["maps"]) == len(SCENES)


def test_heat_in_boxes_is_shared_by_area(checkpoint: Checkpoint) -> None:
    whole = build_scanned(SCENES[0], checkpoint)
    grid = np.zeros((4, 4), np.float32)
    grid[0, 0], grid[3, 3] = 1, 1
    half = ScannedSample(
        whole.sample, whole.query, whole.text, (BoundingBox(0, 0, 128, 64), BoundingBox(0, 0, 128, 64))
    )
    attention = AttentionMap(half, "boxes", grid)
    assert attention.in_boxes == pytest.approx(0.25)
    assert attention.area_of_boxes == pytest.approx(1 / 32)
    assert attention_map.summarize_maps([])["in_boxes"] is None


def test_the_caption_quotes_what_is_looked_for(maps: list[AttentionMap]) -> None:
    assert maps[0].caption == "Image 0, in truth real; the verdict: real"
    assert maps[1].caption == "Image 0, in truth real; the boxes"
    assert "the explanation: The tone looks" in maps[2].caption


def test_an_answer_without_boxes_has_no_map_of_them(checkpoint: Checkpoint) -> None:
    whole = build_scanned(SCENES[0], checkpoint)
    text = prompts.render_scan(whole.sample.label, [], "Nothing.")
    without = ScannedSample(whole.sample, whole.query, text, ())
    assert [attention.part for attention in attention_map.compute_attention_maps(checkpoint, [without])] == [
        "verdict",
        "explanation",
    ]


def test_the_picture_is_warm_where_the_map_is(checkpoint: Checkpoint) -> None:
    black = Sample(
        0,
        decode(images.encode_png(Image.new("RGB", (140, 140))), max_pixels=99999),
        build_scanned(0, checkpoint).sample.label,
        (),
    )
    query = prompts.build_global_scan(images.build_view(black.image, 140 * 140), "thousand")
    grid = np.zeros((5, 5), np.float32)
    grid[0, 4] = 1
    drawn = attention_map.draw_map(AttentionMap(ScannedSample(black, query, "", ()), "boxes", grid))
    red = np.asarray(drawn)[..., 0].astype(float)
    across = drawn.width // 5
    assert red[:across, -across:].mean() > 80
    assert red[-across:, :across].max() == 0


async def test_query_1_is_asked_and_its_boxes_placed() -> None:
    wide = Sample(0, decode(images.encode_png(Image.new("RGB", (560, 560))), max_pixels=10**6), Verdict.REAL, ())
    (scanned,) = await attention_map.scan_samples([wide], DigestEngine())
    assert scanned.query.images[0].size == (504, 504)
    assert scanned.regions[0] == BoundingBox(31, 31, 124, 124)
    assert scanned.text.startswith("<verdict>")


async def test_an_unreadable_answer_is_left_out() -> None:
    wide = Sample(0, decode(images.encode_png(Image.new("RGB", (280, 280))), max_pixels=10**6), Verdict.REAL, ())
    view = images.build_view(wide.image, 512 * 512)
    engine = DigestEngine(script={view.sha256: {"scan": Answer("no", 0.5)}})
    assert await attention_map.scan_samples([wide], engine) == []
