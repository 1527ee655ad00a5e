"""Composition root: builds everything from the settings, owns lifetimes, in the order of what may fail first."""

import asyncio
import math
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from pipeline import prompts
from pipeline.abandonable import in_abandonable_thread
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.errors import ZoomInError
from pipeline.messages import ModelRef
from pipeline.urls import Addressing
from worker import telemetry
from worker.decoding import DecodePool
from worker.delivery import AcknowledgedDelivery
from worker.exactly_once import ExactlyOnce
from worker.handler import EventHandler
from worker.health import HealthServer
from worker.labels import Labels
from worker.loop import WorkerLoop
from worker.memory import PixelBudget
from worker.publisher import Delivery, KafkaPublisher
from worker.retry import Retrier, RetryPolicy
from worker.sampling import SamplingPolicy
from worker.settings import EngineSettings, KafkaSettings, SamplingSettings, Settings, stray_names, worker_name
from worker.source import KafkaSource
from worker.store import ImageStore, LabelBucket
from worker.supervisor import Engine, Supervisor
from worker.telemetry import Metrics, Tracing
from worker.transactions import KafkaTransactions

if TYPE_CHECKING:
    from pipeline.vllm_engine import EngineOptions, VllmEngine

DECODERS = 2
DECODE_TURNS = 2 * DECODERS  # a file waits at each decoder, so that none idles while the loop is busy
FIRST_RETRY_S = 0.2
LOOP_DEADLINE_S = 60.0


async def run(settings: Settings, *, engine: Callable[[], Awaitable[Engine]] | None = None) -> bool:
    """Judges events until SIGTERM or SIGINT; a second signal leaves at once.

    False when it was asked to stop while the engine was starting: that start still goes on in a thread of its own.

    `engine` starts another VisionEngine than vLLM: tests and benchmarks hand in theirs.

    Raises: FatalError.
    """
    checkpoint = await asyncio.to_thread(Checkpoint.read, settings.engine.model)
    async with AsyncExitStack() as stack:
        worker = worker_name()
        metrics, tracing = Metrics(), Tracing(worker, settings.kafka.group_id)
        stack.callback(tracing.close)
        retriers = Retriers(settings, metrics)
        stop = stop_on_signals()

        decoder = DecodePool(max_pixels=settings.store.max_image_pixels, workers=DECODERS)
        stack.callback(decoder.close)
        store = ImageStore(settings.store)
        stack.callback(store.close)
        await check_buckets(store, settings)
        kafka = kafka_ends(settings.kafka, on_outage=retriers.outage("broker"))
        for close in kafka.closing:
            stack.push_async_callback(close)
        await kafka.source.check()

        supervisor = Supervisor(
            engine or partial(start_vllm, checkpoint, settings.engine),
            restarts=settings.engine.restarts,
            retrier=retriers.of("engine"),
            metrics=metrics,
        )
        stack.push_async_callback(supervisor.close)
        if not await done_before(stop, supervisor.start()):
            return False
        metrics.serves(checkpoint)

        labels, label_bucket = None, None
        if settings.sampling.bucket:
            label_bucket = LabelBucket(settings.store, settings.sampling.bucket)
            stack.callback(label_bucket.close)
            labels = Labels(label_bucket, sampling_policy(settings.sampling), metrics=metrics, clock=time.monotonic)
        handler = EventHandler(
            addressing=Addressing(settings.store.endpoint_url, settings.store.buckets),
            store=store,
            decoder=decoder,
            decode_turns=asyncio.Semaphore(DECODE_TURNS),
            pixels=PixelBudget(settings.flow.max_pixels_in_flight),
            engine=supervisor,
            publisher=KafkaPublisher(settings.kafka, worker, kafka.delivery),
            labels=labels,
            store_retrier=cache(lambda bucket: retriers.of(f"bucket {bucket}", probe=partial(store.probe, bucket))),
            verdict_retrier=retriers.of("broker", probe=kafka.probe),
            letter_retrier=retriers.of("broker", patience_s=math.inf),
            checkpoint=checkpoint,
            model=model_ref(checkpoint, supervisor.running.version),
            worker=worker,
            metrics=metrics,
            tracing=tracing,
        )
        loop = WorkerLoop(
            kafka.source, handler, settings.flow, commit_interval_s=settings.kafka.commit_interval_s, metrics=metrics
        )
        health = stack.enter_context(
            HealthServer(
                settings.telemetry.http_host,
                settings.telemetry.http_port,
                live=lambda: liveness(loop, supervisor),
                ready=lambda: readiness(loop, supervisor),
                registry=metrics.registry,
            )
        )
        await kafka.source.start()
        telemetry.logger().info(
            telemetry.WORKER_STARTED, worker=worker, http_port=health.port, revision=checkpoint.revision
        )
        await loop.run(stop)
        telemetry.logger().info(telemetry.WORKER_STOPPED, worker=worker)
        return True


@dataclass(frozen=True, slots=True)
class KafkaEnds:
    """Where records come in and answers go out; `closing` are to be awaited in reverse."""

    source: KafkaSource | ExactlyOnce
    delivery: Delivery
    probe: Callable[[], Awaitable[None]] | None
    closing: tuple[Callable[[], Awaitable[None]], ...]


def kafka_ends(settings: KafkaSettings, *, on_outage: Callable[[bool], None]) -> KafkaEnds:
    source = KafkaSource(settings)
    if settings.delivery == "exactly_once":
        both = ExactlyOnce(source, KafkaTransactions(settings), on_outage=on_outage)
        return KafkaEnds(both, both, None, (both.close,))
    delivery = AcknowledgedDelivery(settings)
    return KafkaEnds(source, delivery, delivery.probe, (delivery.close, source.close))


class Retriers:
    """One Retrier a dependency, each telling the metrics and the log under its name."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        retry = settings.retry
        self._policy = RetryPolicy(retry.attempts, FIRST_RETRY_S, retry.max_wait_s, retry.patience_s)
        self._metrics = metrics

    def of(
        self,
        dependency: str,
        *,
        probe: Callable[[], Awaitable[object]] | None = None,
        patience_s: float | None = None,
    ) -> Retrier:
        def retried(error: ZoomInError, wait_s: float) -> None:
            self._metrics.retries.labels(dependency).inc()
            telemetry.logger().debug(
                telemetry.DEPENDENCY_RETRIED, dependency=dependency, code=error.code, wait_s=round(wait_s, 2)
            )

        return Retrier(
            self._policy if patience_s is None else replace(self._policy, patience_s=patience_s),
            clock=time.monotonic,
            sleep=asyncio.sleep,
            rng=random.Random(),
            on_retry=retried,
            on_outage=self.outage(dependency),
            probe=probe,
        )

    def outage(self, dependency: str) -> Callable[[bool], None]:
        """What to call when the dependency stops serving, and when it serves again."""

        def changed(out: bool) -> None:
            self._metrics.outage.labels(dependency).set(int(out))
            event = telemetry.OUTAGE_BEGAN if out else telemetry.OUTAGE_ENDED
            telemetry.logger().warning(event, dependency=dependency)

        return changed


async def start_vllm(checkpoint: Checkpoint, settings: EngineSettings) -> Engine:
    engine_class, options_class = await in_abandonable_thread(_vllm)
    options = options_class(
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        tensor_parallel_size=settings.tensor_parallel_size,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        query_timeout_s=settings.query_timeout_s,
    )
    return await engine_class.start(checkpoint, options)


def _vllm() -> "tuple[type[VllmEngine], type[EngineOptions]]":
    # Only this path pays for torch and transformers: their import takes up to half a minute.
    from pipeline.vllm_engine import EngineOptions, VllmEngine

    return VllmEngine, EngineOptions


async def check_buckets(store: ImageStore, settings: Settings) -> None:
    """Raises: BadSettings without buckets, StoreDenied for refused credentials. A 403 on a bucket is a warning."""
    for bucket in sorted(settings.store.buckets):
        problem = await store.check(bucket)
        if problem:
            telemetry.logger().warning(telemetry.BUCKET_UNREADABLE, bucket=bucket, detail=problem)
    for name in stray_names():
        telemetry.logger().warning(telemetry.SETTING_IGNORED, name=name)


def model_ref(checkpoint: Checkpoint, engine: str) -> ModelRef:
    return ModelRef(
        name=checkpoint.name,
        revision=checkpoint.revision,
        prompt_version=PROMPT_VERSION,
        prompt_sha256=prompts.fingerprint(checkpoint.card.box_frame),
        engine=engine,
    )


def sampling_policy(settings: SamplingSettings) -> SamplingPolicy:
    return SamplingPolicy(
        low_confidence_below=settings.low_confidence_below,
        corrected_fraction=settings.corrected_fraction,
        low_confidence_fraction=settings.low_confidence_fraction,
        control_fraction=settings.control_fraction,
        blind_fraction=settings.blind_fraction,
        salt=settings.salt.get_secret_value().encode(),
    )


def liveness(loop: WorkerLoop, supervisor: Supervisor) -> str | None:
    silent_s = time.monotonic() - loop.turned_at
    if silent_s > LOOP_DEADLINE_S:
        return f"the loop has not turned for {silent_s:.0f} s"
    return "the engine is dead" if supervisor.dead else None


def readiness(loop: WorkerLoop, supervisor: Supervisor) -> str | None:
    if not supervisor.ready:
        return "the engine is not ready"
    return None if loop.assigned else "no partitions assigned yet"


async def done_before(stop: asyncio.Event, starting: Coroutine[None, None, None]) -> bool:
    """False, and `starting` is cancelled, when somebody asks to stop while a minute of start is under way."""
    start, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
        return start.done()
    finally:
        for task in (start, stopping):
            task.cancel()
        await asyncio.gather(start, stopping, return_exceptions=True)


def stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second cancels the program."""
    stop = asyncio.Event()
    running, main = asyncio.get_running_loop(), asyncio.current_task()

    def requested() -> None:
        telemetry.logger().info(telemetry.STOP_REQUESTED, again=stop.is_set())
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, requested)
    return stop
