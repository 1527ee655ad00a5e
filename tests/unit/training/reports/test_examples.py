from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.evidence.regions import REGION
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from tests.support.engines import DigestEngine
from training.engine.caching import CachingEngine
from training.evaluation import evaluate
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.reports import examples
from training.reports.examples import ComparedModel

R, G = Verdict.REAL, Verdict.GENERATED
CHECKPOINT = Checkpoint(Path("some-model"), CheckpointCard(), "sha256:1")


def make_prediction(label: Verdict, v1: Verdict | None, v2: Verdict | None) -> Prediction:
    return Prediction(label, v1, v2, (), ())


@pytest.mark.parametrize(
    ("truth", "v1", "v2", "kind"),
    [
        (R, R, R, "right"),
        (R, G, G, "wrong"),
        (G, R, G, "corrected"),
        (G, G, R, "broken"),
        (G, None, None, None),
        (G, G, None, None),
    ],
)
def test_every_outcome_has_its_gallery(
    truth: Verdict, v1: Verdict | None, v2: Verdict | None, kind: str | None
) -> None:
    assert examples.classify_example(truth, v1, v2) == kind


def test_both_classes_are_picked_in_turn() -> None:
    predictions = [
        make_prediction(R, R, R),
        make_prediction(R, R, R),
        make_prediction(G, G, G),
        make_prediction(G, R, G),
        make_prediction(R, G, G),
    ]
    assert examples.pick_examples(predictions, 2) == {"right": [0, 2], "corrected": [3], "wrong": [4], "broken": []}
    assert examples.pick_examples(predictions, 3)["right"] == [0, 2, 1]


async def test_a_card_is_drawn_for_each_picked_image() -> None:
    samples = [
        Sample(n, RgbImage(Image.new("RGB", (300, 200), (9 * n, n, 50)), "png"), Verdict(label), ())
        for n, label in enumerate(["real", "generated"] * 8)
    ]
    engine = DigestEngine()
    own = (await evaluate.predict(samples, engine, concurrency=2, passes=evaluate.OWN))["own"]
    drawn = await examples.draw_examples(samples, own, CHECKPOINT, engine, version="stand-in")
    picked = {name: numbers for name, numbers in examples.pick_examples(own, examples.CARDS).items() if numbers}
    assert {name: [example.number for example in drawn if example.kind == name] for name in picked} == picked
    assert all(example.truth is samples[example.number].label for example in drawn)
    assert all(example.card.width > 1000 for example in drawn)


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        ((R, R), (G, G), "only_a"),
        ((R, G), (G, R), "only_b"),
        ((G, R), (R, R), None),
        ((R, G), (G, G), None),
        ((R, R), (G, None), None),
        ((None, None), (R, R), None),
    ],
)
def test_one_of_two_checkpoints_is_right_alone(
    a: tuple[Verdict | None, Verdict | None], b: tuple[Verdict | None, Verdict | None], kind: str | None
) -> None:
    assert examples.classify_difference(make_prediction(R, *a), make_prediction(R, *b)) == kind


async def test_both_cards_are_drawn_where_one_alone_is_right_from_what_was_said() -> None:
    samples = [
        Sample(n, RgbImage(Image.new("RGB", (300, 200), (9 * n, n, 50)), "png"), Verdict(label), ())
        for n, label in enumerate(["real", "generated"] * 6)
    ]
    models = []
    for card in (CheckpointCard(), CheckpointCard(scan_max_pixels=140 * 140)):  # another view: other answers
        engine = DigestEngine(card)
        caching = CachingEngine(engine)
        own = (await evaluate.predict(samples, caching, concurrency=2, passes=evaluate.OWN))["own"]
        await engine.close()
        models.append(ComparedModel(Checkpoint(Path("m"), card, "sha256:1"), caching, engine.version, own))
    drawn = await examples.draw_pairs(samples, *models)
    picked = examples.pick_differing(models[0].predictions, models[1].predictions, examples.PAIRS)
    assert {name: [example.number for example in drawn if example.kind == name] for name in picked} == picked
    assert all(picked.values())
    assert all(example.truth is samples[example.number].label for example in drawn)
    assert all(example.a.width == example.b.width > 1000 for example in drawn)


async def test_an_answer_that_comes_out_otherwise_now_is_left_out() -> None:
    sample = Sample(0, RgbImage(Image.new("RGB", (300, 200)), "png"), R, ())
    engine = DigestEngine()
    own = (await evaluate.predict([sample], engine, concurrency=1, passes=evaluate.OWN))["own"]
    other = [replace(own[0], scan_verdict=R if own[0].scan_verdict is G else G)]
    assert await examples.draw_examples([sample], other, CHECKPOINT, engine, version="stand-in") == []


def test_tiles_show_both_classes_with_boxes_where_they_are() -> None:
    box = BoundingBox(50, 50, 100, 100)
    samples = [
        Sample(n, RgbImage(Image.new("RGB", (256, 256)), "png"), label, (box,) if n else (), f"Text {n}.")
        for n, label in enumerate([R] * 5 + [G])
    ]
    predictions = [Prediction(sample.label, None, None, (), sample.annotated) for sample in samples]
    tiles = examples.draw_tiles(samples, predictions)
    assert [(tile.label, tile.caption) for tile in tiles] == [
        (G, "Text 5."),
        (R, "Text 1."),
        (R, "Text 2."),
        (R, "Text 3."),
    ]
    yellow = (np.asarray(tiles[0].picture) == REGION).all(-1)
    down, across = yellow.nonzero()
    scale = tiles[0].picture.width / 256
    assert (across.min(), across.max()) == (pytest.approx(50 * scale - 2, abs=1), pytest.approx(100 * scale + 1, abs=1))
    assert down.min() == pytest.approx(50 * scale - 2, abs=1)
    assert np.asarray(samples[5].image.pixels).max() == 0
