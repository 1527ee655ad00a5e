"""Composition root: builds everything from the settings, owns lifetimes, in the order of what may fail first."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial

from pipeline.checkpoint import Checkpoint
from pipeline.sandbox.decoding import DecodePool
from pipeline.wire.urls import Addressing
from worker.common.settings import (
    KafkaSettings,
    SamplingSettings,
    Settings,
    TelemetrySettings,
    stray_names,
    worker_name,
)
from worker.handler import EventHandler
from worker.kafka.delivery import AcknowledgedDelivery
from worker.kafka.exactly_once import ExactlyOnce
from worker.kafka.publisher import Delivery, KafkaPublisher
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions
from worker.loop import WorkerLoop
from worker.observe import telemetry
from worker.observe.health import HealthServer
from worker.observe.retriers import Retriers
from worker.observe.telemetry import Metrics, Tracing
from worker.sampling.decision import SamplingPolicy
from worker.sampling.labels import Labels
from worker.serving.pixel_budget import PixelBudget
from worker.serving.start import model_ref, start_vllm
from worker.serving.supervisor import Engine, Supervisor
from worker.stopping import done_before, stop_on_signals
from worker.storage.store import ImageStore, LabelBucket

DECODERS = 2
DECODE_TURNS = 2 * DECODERS  # a file waits at each decoder, so that none idles while the loop is busy
LOOP_DEADLINE_S = 60.0


async def run(settings: Settings, *, engine: Callable[[], Awaitable[Engine]] | None = None) -> bool:
    """Judges events until SIGTERM or SIGINT; a second signal leaves at once.

    False when it was asked to stop while the engine was starting: that start still goes on in a thread of its own.

    `engine` starts another VisionEngine than vLLM: tests and benchmarks hand in theirs.

    Raises: FatalError.
    """
    for name in stray_names():
        telemetry.logger().warning(telemetry.SETTING_IGNORED, name=name)
    checkpoint = await asyncio.to_thread(Checkpoint.read, settings.engine.model)
    async with AsyncExitStack() as stack:
        worker = worker_name()
        metrics, tracing = Metrics(), Tracing(worker, settings.kafka.group_id)
        stack.callback(tracing.close)
        retriers = Retriers(settings.retry, metrics)
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

        handler = EventHandler(
            addressing=Addressing(settings.store.endpoint_url, settings.store.buckets),
            store=store,
            decoder=decoder,
            decode_turns=asyncio.Semaphore(DECODE_TURNS),
            pixels=PixelBudget(settings.flow.max_pixels_in_flight),
            engine=supervisor,
            publisher=KafkaPublisher(settings.kafka, worker, kafka.delivery),
            labels=sampled(settings, metrics, stack),
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
        health = stack.enter_context(health_server(settings.telemetry, loop, supervisor, metrics))
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


async def check_buckets(store: ImageStore, settings: Settings) -> None:
    """Raises: BadSettings without buckets, StoreDenied for refused credentials. A 403 on a bucket is a warning."""
    for bucket in sorted(settings.store.buckets):
        problem = await store.check(bucket)
        if problem:
            telemetry.logger().warning(telemetry.BUCKET_UNREADABLE, bucket=bucket, detail=problem)


def sampled(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> Labels | None:
    """Where cases worth labeling go, closed with `stack`; None without a labeling bucket."""
    if not settings.sampling.bucket:
        return None
    bucket = LabelBucket(settings.store, settings.sampling.bucket)
    stack.callback(bucket.close)
    return Labels(bucket, sampling_policy(settings.sampling), metrics=metrics, clock=time.monotonic)


def sampling_policy(settings: SamplingSettings) -> SamplingPolicy:
    return SamplingPolicy(
        low_confidence_below=settings.low_confidence_below,
        corrected_fraction=settings.corrected_fraction,
        low_confidence_fraction=settings.low_confidence_fraction,
        control_fraction=settings.control_fraction,
        blind_fraction=settings.blind_fraction,
        salt=settings.salt.get_secret_value().encode(),
    )


def health_server(
    settings: TelemetrySettings, loop: WorkerLoop, supervisor: Supervisor, metrics: Metrics
) -> HealthServer:
    return HealthServer(
        settings.http_host,
        settings.http_port,
        live=lambda: liveness(loop, supervisor),
        ready=lambda: readiness(loop, supervisor),
        registry=metrics.registry,
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
