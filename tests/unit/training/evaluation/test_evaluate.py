import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import Calibration, Checkpoint, CheckpointCard, Scaling
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead, GenerationFailed, ZoomInError
from pipeline.local_image import LocalImage
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from pipeline.wire import messages
from pipeline.wire.messages import JudgedImage, ModelRef, RecordRef, VerdictEvent
from pipeline.zoomin import inspect
from tests.support.builders import build_noise
from tests.support.engines import DigestEngine
from tests.support.live_images import LiveImages, write_set
from training.common.resampling import Metric
from training.evaluation import evaluate, summary
from training.evaluation.evaluate import Sample
from training.evaluation.samples import read_samples

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

    def __init__(
        self,
        box: tuple[int, int, int, int],
        *,
        mute: bool = False,
        fails: ZoomInError | None = None,
        card: CheckpointCard = CARD,
    ) -> None:
        self.box = box
        self.mute = mute
        self.fails = fails
        self.card = card
        self.scans = 0

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        if self.fails:
            raise self.fails
        if query.grammar == prompts.SCAN_GRAMMAR:
            self.scans += 1
            return Answer(prompts.render_scan(Verdict.REAL, [self.box], "Plain."), 0.1)
        if self.mute:
            return Answer("<verdict>no", 0.5)
        red = any(
            np.asarray(crop.pixels)[70, 70].tolist() == list(FLAW)
            for crop in query.images[1:]
            if crop.size == (140, 140)
        )
        verdict, p_generated = (Verdict.GENERATED, 0.8) if red else (Verdict.REAL, 0.2)
        return Answer(prompts.render_check(verdict, "Seen."), p_generated)


async def evaluate_with(engine: RedFinder, count: int = 20) -> dict[str, Metric]:
    samples = [sample(number, generated=bool(number % 2)) for number in range(count)]
    return summary.summarize_passes(await evaluate.predict(samples, engine, concurrency=4))


async def test_each_pass_shows_query_2_its_own_boxes() -> None:
    engine = RedFinder((0, 0, 200, 200))
    metrics = await evaluate_with(engine)
    assert metrics["i_acc"].value == 0.5
    assert metrics["acc"].value == 0.5  # its own box misses the flaw
    assert metrics["acc_annotated_boxes"].value == 1.0
    assert metrics["acc_random_boxes"].value is not None
    assert metrics["acc_random_boxes"].value < 1.0
    assert metrics["iou"].value == 0.0


async def test_zooming_in_where_the_flaw_is_corrects() -> None:
    metrics = await evaluate_with(RedFinder((200, 200, 400, 400)))
    assert (metrics["acc"].value, metrics["zoom_gain"].value) == (1.0, 0.5)
    assert (metrics["c_cases"].value, metrics["c_acc"].value) == (0.5, 1.0)
    assert metrics["iou"].value == pytest.approx(1.0)
    assert metrics["over_random_boxes"].value is not None
    assert metrics["over_random_boxes"].value > 0


async def test_query_1_is_asked_once_an_image() -> None:
    engine = RedFinder((200, 200, 400, 400))
    samples = [Sample(n, RgbImage(Image.new("RGB", (500, 500), (n, 0, 0)), "png"), Verdict.REAL, ()) for n in range(6)]
    await evaluate.predict(samples, engine, concurrency=3)
    assert engine.scans == 6


async def test_an_image_s_own_passes_are_asked_at_once() -> None:
    together = asyncio.Barrier(len(evaluate.PASSES))

    async def wait_for_the_others(query: Query) -> None:
        if query.grammar != prompts.SCAN_GRAMMAR:
            await together.wait()

    one_sample = Sample(1, RgbImage(build_noise(300, 200), "png"), Verdict.REAL, (BoundingBox(5, 5, 90, 90),))
    engine = DigestEngine(before=wait_for_the_others)
    async with asyncio.timeout(20):
        await evaluate.predict([one_sample], engine, concurrency=len(evaluate.PASSES))
    assert engine.query_count == 4


async def test_no_more_is_asked_at_once_than_the_engine_takes() -> None:
    inside = most = 0

    async def count(_query: Query) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.to_thread(int)  # others may come meanwhile
        inside -= 1

    many = [Sample(n, RgbImage(build_noise(300, 200, seed=n), "png"), Verdict.REAL, ()) for n in range(6)]
    await evaluate.predict(many, DigestEngine(before=count), concurrency=2)
    assert most <= 2


async def test_an_image_is_taken_when_its_turn_comes() -> None:
    inside = most = 0

    class CountingList(list[Sample]):
        def __getitem__(self, number: int) -> Sample:  # type: ignore[override]
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            return super().__getitem__(number)

    async def leave(query: Query) -> None:
        nonlocal inside
        inside -= query.grammar != prompts.SCAN_GRAMMAR

    counted = CountingList(
        Sample(n, RgbImage(build_noise(300, 200, seed=n), "png"), Verdict.REAL, ()) for n in range(9)
    )
    predictions = await evaluate.predict(counted, DigestEngine(before=leave), concurrency=2, passes=evaluate.OWN)
    assert most <= 2
    assert len(predictions["own"]) == 9


async def test_few_images_and_copies_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = read_samples(write_set(tmp_path, 12), 12)
    live = LiveImages(monkeypatch)
    passes = {**evaluate.PASSES, **evaluate.PERTURBED}
    predictions = await evaluate.predict(drawn, DigestEngine(CARD), concurrency=2, passes=passes)
    assert {len(of_pass) for of_pass in predictions.values()} == {12}
    assert live.total >= 12 * (1 + len(evaluate.PERTURBED))
    assert live.most <= 2 * 3, "of each image at once: itself, its copy, and the copy before it"


async def test_an_answer_that_cannot_be_read_is_wrong_in_every_pass() -> None:
    metrics = await evaluate_with(RedFinder((200, 200, 400, 400), mute=True), 4)
    assert metrics["unparsed"].value == 1.0
    assert metrics["acc"].value == metrics["acc_annotated_boxes"].value == 0.0
    assert metrics["i_acc"].value == 0.5


async def test_a_query_that_the_engine_drops_is_wrong_and_not_left_out() -> None:
    metrics = await evaluate_with(RedFinder((0, 0, 9, 9), fails=GenerationFailed("dropped")), 4)
    assert (metrics["acc"].value, metrics["acc"].n, metrics["unparsed"].value) == (0.0, 4, 1.0)
    assert metrics["brier"].value == pytest.approx(0.25)


async def test_a_dead_engine_ends_the_evaluation_with_its_own_error() -> None:
    with pytest.raises(EngineDead, match="gone"):
        await evaluate_with(RedFinder((0, 0, 9, 9), fails=EngineDead("gone")), 4)


async def test_a_perturbed_pass_sees_other_pixels_and_boxes_that_follow() -> None:
    engine = RedFinder((200, 200, 400, 400))
    samples = [sample(1, generated=True)]
    predictions = await evaluate.predict(samples, engine, concurrency=1, passes=evaluate.OWN | evaluate.PERTURBED)
    assert list(predictions) == ["own", "jpeg_80", "jpeg_30", "crop", "half_size"]
    assert engine.scans == 5
    assert predictions["half_size"][0].annotated == (BoundingBox(50, 50, 100, 100),)
    assert predictions["half_size"][0].regions == (BoundingBox(50, 50, 100, 100),)
    assert predictions["half_size"][0].check_verdict is Verdict.GENERATED
    (cut,) = predictions["crop"][0].annotated
    assert cut.area_px <= TRUTH.area_px
    assert predictions["jpeg_30"][0].annotated == (TRUTH,)


@pytest.mark.parametrize("source", [None, "web", "bulk"])
async def test_evaluation_and_worker_say_the_same_of_one_answer(source: str | None) -> None:
    card = CARD.model_copy(
        update={
            "calibration": Calibration(
                temperature=2.0, bias=0.1, per_source={"web": Scaling(bias=-1.0), "bulk": Scaling(bias=-1.5)}
            ),
            "uncertain_between": (0.5, 0.62),
        }
    )
    engine = RedFinder((200, 200, 400, 400), card=card)
    one_sample = replace(sample(1, generated=True), source=source)
    event = await build_worker_event(one_sample, engine)
    (prediction,) = (await evaluate.predict([one_sample], engine, concurrency=1))["own"]
    assert (prediction.p_generated, prediction.p_generated_raw) == (event.p_generated, event.p_generated_raw)
    assert prediction.p_generated != prediction.p_generated_raw == 0.8
    assert prediction.uncertain is event.uncertain is (source == "web")
    assert prediction.published_verdict is event.verdict
    assert prediction.overruled is event.overruled is (source == "bulk")
    assert prediction.check_verdict is Verdict.GENERATED
    assert prediction.scan_p_generated_raw == event.scan.p_generated == 0.1


async def build_worker_event(one_sample: Sample, engine: RedFinder) -> VerdictEvent:
    """What the worker would publish."""
    image = JudgedImage(
        bucket="b",
        key="k",
        etag=None,
        version_id=None,
        sha256="0" * 64,
        width_px=one_sample.image.size_px[0],
        height_px=one_sample.image.size_px[1],
        format="png",
        frames=1,
        bytes=1,
    )
    return messages.build_verdict_event(
        await inspect(LocalImage(one_sample.image), engine),
        Checkpoint(Path("m"), engine.card, "sha256:1"),
        model=ModelRef(name="m", revision="sha256:1", prompt_version="1", prompt_sha256="p", engine="e 1"),
        event_id="e1",
        record=RecordRef(topic="t", partition=0, offset=0, timestamp_ms=0),
        image=image,
        source=one_sample.source,
        attributes={},
        timing_s={},
        worker="w",
    )


async def test_a_pass_in_one_turn_asks_one_query() -> None:
    finder = RedFinder((200, 200, 400, 400))
    passes = {"own": evaluate.Pass(one_turn="one_turn_eg"), "plain": evaluate.Pass(one_turn="one_turn_e")}
    predictions = await evaluate.predict([sample(0, generated=True)], finder, concurrency=1, passes=passes)
    assert finder.scans == 1
    assert [(p.scan_verdict, p.check_verdict) for p in predictions["own"]] == [(Verdict.REAL, Verdict.REAL)]
    assert [prediction.explanation for prediction in predictions["own"]] == ["Plain."]
    assert predictions["own"][0].regions == (TRUTH,)
    assert predictions["plain"][0].regions == ()
