import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings
from pipeline.registry.manifest import SmokeQuestion
from pipeline.verdict import RgbImage, Verdict
from tests.support.builders import build_noise, encode_image
from tests.support.engines import DigestEngine
from worker.common.retry import Retrier, RetryPolicy
from worker.common.sections import FlowSettings
from worker.observe.telemetry import Metrics
from worker.serving.barrier import EventsInside, ModelBarrier, ServedModel
from worker.serving.capacity import plan_kept_pixels
from worker.serving.refusal import ModelRefused, Refusal
from worker.serving.revisions import LocalModel
from worker.serving.start import build_served_model
from worker.serving.supervisor import Supervisor
from worker.serving.swap import ModelSwap

OLD = Checkpoint(Path("tiny"), CheckpointCard(), "sha256:old")
FLOW = FlowSettings(max_in_flight=10, max_pixels_in_flight=100_000_000, drain_timeout_s=0.01)


class InProcessDecoder:
    async def decode(self, data: bytes) -> RgbImage:
        return decode(data, max_pixels=1_000_000)


class Worker:
    """The parts of a worker that a swap touches, with one engine."""

    def __init__(self) -> None:
        self.engine = DigestEngine()
        self.metrics = Metrics()
        policy = RetryPolicy(attempts=1, first_wait_s=0, max_wait_s=0, patience_s=60)
        retrier = Retrier(policy, clock=lambda: 0.0, sleep=asyncio.sleep, rng=random.Random(0))
        self.supervisor = Supervisor(self._start, OLD, restarts=0, retrier=retrier, metrics=self.metrics)
        self.metrics.set_model(OLD)
        self.barrier = ModelBarrier(build_served_model(OLD, "stand-in 1"))
        kept_pixels = plan_kept_pixels(FLOW, OLD.card)
        self.swap = ModelSwap(
            self.supervisor, self.barrier, InProcessDecoder(), FLOW, kept_pixels, self.metrics, iter(range(99)).__next__
        )

    async def _start(self, _checkpoint: Checkpoint) -> DigestEngine:
        return self.engine

    async def read_barrier(self) -> ServedModel:
        async with self.barrier.enter() as model:
            return model

    def read_metric(self, metric: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, labels)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    await worker.supervisor.start()
    yield worker
    await worker.supervisor.close()


def build_new(card: CheckpointCard | None = None) -> LocalModel:
    return LocalModel(Checkpoint(Path("tiny"), card or CheckpointCard(threshold=0.3), "sha256:new"))


async def test_card_revision_reference_and_metric_change_together(worker: Worker) -> None:
    new = build_new()
    await worker.swap(new)
    model = await worker.read_barrier()
    assert (model.checkpoint, model.ref.revision) == (new.checkpoint, "sha256:new")
    assert worker.supervisor.card == new.checkpoint.card
    info = {"name": "tiny", "prompt_version": "1"}
    assert worker.read_metric("zoomin_model_info", revision="sha256:new", **info) == 1
    assert worker.read_metric("zoomin_model_info", revision="sha256:old", **info) is None
    assert worker.read_metric("zoomin_model_swaps_total", way="reload") == 1
    assert worker.read_metric("zoomin_model_swap_seconds_count", way="reload") == 1


async def test_a_restart_is_counted_as_one(worker: Worker) -> None:
    worker.engine.obstacle = "config.json differs"
    await worker.swap(build_new())
    assert worker.read_metric("zoomin_model_swaps_total", way="restart") == 1


async def test_an_event_that_is_judged_too_long_puts_the_swap_off(worker: Worker) -> None:
    async with worker.barrier.enter():
        with pytest.raises(EventsInside):
            await worker.swap(build_new())
    assert (await worker.read_barrier()).checkpoint == OLD
    assert worker.engine.reloaded == []


async def test_a_model_that_does_not_load_changes_nothing(worker: Worker) -> None:
    worker.engine.reload_errors = [BadSettings("torn file")]
    with pytest.raises(ModelRefused, match="torn file"):
        await worker.swap(build_new())
    assert (await worker.read_barrier()).checkpoint == OLD
    assert worker.engine.card == OLD.card


async def test_a_wrong_answer_to_a_smoke_question_brings_the_old_model_back(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "smoke.png").write_bytes(encode_image(build_noise(), "PNG"))
    checkpoint = Checkpoint(tmp_path, CheckpointCard(threshold=0.999), "sha256:new")
    model = LocalModel(checkpoint, (SmokeQuestion(image="smoke.png", verdict=Verdict.GENERATED),))
    with pytest.raises(ModelRefused, match=r"smoke.png: generated is expected, its verdict is real") as caught:
        await worker.swap(model)
    assert caught.value.reason is Refusal.SMOKE
    assert worker.engine.reloaded == [checkpoint, OLD]
    assert (await worker.read_barrier()).checkpoint == OLD


@pytest.mark.parametrize(
    ("card", "detail"),
    [
        (CheckpointCard(max_crops=9), r"need 1128960 pixels more than the decoders leave them: restart the worker"),
        (CheckpointCard(max_crops=32, crop_max_pixels=1 << 22), "ZOOMIN_FLOW__MAX_PIXELS_IN_FLIGHT"),
    ],
)
async def test_crops_that_do_not_fit_beside_the_kept_pixels_are_refused_before_the_gate_closes(
    worker: Worker, card: CheckpointCard, detail: str
) -> None:
    async with worker.barrier.enter():
        with pytest.raises(ModelRefused, match=detail) as caught:
            await worker.swap(build_new(card))
    assert caught.value.reason is Refusal.CAPACITY


async def test_smaller_crops_fit(worker: Worker) -> None:
    await worker.swap(build_new(CheckpointCard(max_crops=2)))
    assert (await worker.read_barrier()).checkpoint.card.max_crops == 2
