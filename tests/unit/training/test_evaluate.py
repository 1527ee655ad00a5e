import numpy as np
import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training import evaluate
from training.evaluate import Sample
from training.resampling import Figure

TRUTH = BoundingBox(100, 100, 200, 200)
FLAW = (255, 0, 0)
CARD = CheckpointCard(box_frame="thousand", scan_max_pixels=140 * 140, crop_max_pixels=140 * 140)


def sample(number: int, *, generated: bool) -> Sample:
    """A gray image; a generated one is red inside its annotated box."""
    pixels = Image.new("RGB", (500, 500), "gray")
    if generated:
        pixels.paste(FLAW, TRUTH.corners)
    label = Verdict.GENERATED if generated else Verdict.REAL
    return Sample(number, RgbImage(pixels, "png"), label, (TRUTH,))


class RedFinder:
    """Says real at first sight, names `box`, and generated when the middle of a crop is red."""

    card = CARD

    def __init__(self, box: tuple[int, int, int, int], *, mute: bool = False) -> None:
        self.box = box
        self.mute = mute
        self.scans = 0

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        if query.grammar == prompts.SCAN_GRAMMAR:
            self.scans += 1
            return Answer(prompts.render_scan(Verdict.REAL, [self.box], "Plain."), 0.1)
        if self.mute:
            return Answer("<verdict>no", 0.5)
        red = any(
            np.asarray(crop)[70, 70].tolist() == list(FLAW) for crop in query.images[1:] if crop.size == (140, 140)
        )
        return Answer(prompts.render_check(Verdict.GENERATED if red else Verdict.REAL, "Seen."), 0.5)


async def judge(engine: RedFinder, count: int = 20) -> dict[str, Figure]:
    samples = [sample(number, generated=bool(number % 2)) for number in range(count)]
    return evaluate.figures(await evaluate.judge(samples, engine, concurrency=4))


async def test_each_pass_shows_query_2_its_own_boxes() -> None:
    engine = RedFinder((0, 0, 200, 200))
    shown = await judge(engine)
    assert shown["i_acc"].value == 0.5
    assert shown["acc"].value == 0.5  # its own box misses the flaw
    assert shown["acc_annotated_boxes"].value == 1.0
    assert shown["acc_random_boxes"].value is not None
    assert shown["acc_random_boxes"].value < 1.0
    assert shown["iou"].value == 0.0


async def test_zooming_in_where_the_flaw_is_corrects() -> None:
    shown = await judge(RedFinder((200, 200, 400, 400)))
    assert (shown["acc"].value, shown["zoom_gain"].value) == (1.0, 0.5)
    assert (shown["c_cases"].value, shown["c_acc"].value) == (0.5, 1.0)
    assert shown["iou"].value == pytest.approx(1.0)
    assert shown["over_random_boxes"].value is not None
    assert shown["over_random_boxes"].value > 0


async def test_query_1_is_asked_once_an_image() -> None:
    engine = RedFinder((200, 200, 400, 400))
    samples = [Sample(n, RgbImage(Image.new("RGB", (500, 500), (n, 0, 0)), "png"), Verdict.REAL, ()) for n in range(6)]
    await evaluate.judge(samples, engine, concurrency=3)
    assert engine.scans == 6


async def test_an_answer_that_cannot_be_read_is_wrong_in_every_pass() -> None:
    shown = await judge(RedFinder((200, 200, 400, 400), mute=True), 4)
    assert shown["unparsed"].value == 1.0
    assert shown["acc"].value == shown["acc_annotated_boxes"].value == 0.0
    assert shown["i_acc"].value == 0.5


async def test_the_table_names_every_figure_and_the_bound() -> None:
    shown = await judge(RedFinder((200, 200, 400, 400)), 4)
    text = evaluate.table(shown)
    assert set(shown) == set(evaluate.MEANINGS)
    assert "Phi(1.6/2) = 0.788" in text.splitlines()[0]


def test_random_boxes_are_as_many_as_the_model_s_and_repeat() -> None:
    two = [BoundingBox(0, 0, 50, 50), BoundingBox(100, 0, 150, 50)]
    choose = evaluate.random_boxes(3)
    assert len(choose(two, (500, 500), 8)) == 2
    assert len(choose([], (500, 500), 8)) == 1
    assert choose(two, (500, 500), 8) == choose(two, (500, 500), 8) != evaluate.random_boxes(4)(two, (500, 500), 8)
