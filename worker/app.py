"""Composition root: build the worker from its settings, own all lifetimes, start first what may fail first."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from pipeline.checkpoint import Checkpoint
from pipeline.sandbox.decode_pool import DecodePool
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.wire.urls import Addressing
from worker.common.retry import NO_PROBES, Peers, Probes, Retrier
from worker.common.sections import KafkaSettings, SamplingSettings, StoreSettings
from worker.common.settings import Settings, build_worker_name, list_stray_names, suggest_name
from worker.common.waiting_room import WaitingRoom
from worker.event_share import EventShare
from worker.handler import EventHandler
from worker.kafka.delivery import AcknowledgedDelivery
from worker.kafka.exactly_once import ExactlyOnce
from worker.kafka.publisher import Delivery, KafkaPublisher
from worker.kafka.retrying_publisher import RetryingPublisher
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions
from worker.loop import WorkerLoop
from worker.observe import telemetry
from worker.observe.event_observer import EventObserver
from worker.observe.retriers import Retriers
from worker.observe.telemetry import Metrics, Tracing
from worker.probes import build_health_server
from worker.sampling.decision import SamplingPolicy
from worker.sampling.label_sampler import LabelSampler
from worker.serving.barrier import ModelBarrier
from worker.serving.capacity import CapacityPlan, plan_capacity, plan_kept_pixels
from worker.serving.follower import follow_champion
from worker.serving.refusal import ModelRefused
from worker.serving.revisions import LocalModel, fetch_first_model, fetch_previous_model
from worker.serving.smoke import ask_smoke_questions
from worker.serving.start import build_served_model, start_vllm
from worker.serving.supervisor import Engine, Supervisor
from worker.serving.swap import ModelSwap
from worker.stopping import finish_before, stop_on_signals
from worker.storage.bounded_store import BoundedStore
from worker.storage.buckets import require_buckets
from worker.storage.file_budget import FileBudget
from worker.storage.image_store import ImageStore
from worker.storage.label_bucket import LabelBucket
from worker.storage.retrying_store import RetryingStore

WAITING_PLACES = 1000
"""events that wait for their bucket without a slot: their records alone take memory"""
ENCODER_NICENESS = 10
"""PNGs for labeling are encoded when no image waits for its verdict"""


StartEngine = Callable[[Checkpoint], Awaitable[Engine]]


async def run_worker(settings: Settings, *, start_engine: StartEngine | None = None) -> bool:
    """Judge events until SIGTERM or SIGINT; a second signal leaves at once.

    Returns False when the signal came during the start, parts of which may still go on in threads of their own.
    `start_engine` starts another VisionEngine than vLLM, for tests and benchmarks.

    Raises: FatalError.
    """
    stop = stop_on_signals()
    worker = build_worker_name()
    async with AsyncExitStack() as stack:
        loop = await finish_before(stop, start_worker(settings, worker, stack, start_engine))
        if loop is None:
            return False
        await loop.run(stop)
        telemetry.get_logger().info(telemetry.WORKER_STOPPED, worker=worker)
        return True


async def start_worker(
    settings: Settings, worker: str, stack: AsyncExitStack, start_engine: StartEngine | None
) -> WorkerLoop:
    """Start everything and join the group; the stack closes it in an order of its own: the group is left first.

    The engine may take half a minute to close, and partitions must not wait for that.
    """
    warn_of_stray_names()
    model = await open_model(settings, stack)
    metrics, tracing = Metrics(), Tracing(worker, settings.kafka.group_id)
    stack.callback(tracing.close)
    retriers, waiting_room = Retriers(settings.retry, metrics), WaitingRoom(WAITING_PLACES)

    plan = plan_capacity(settings.flow)
    kept_pixels = plan_kept_pixels(settings.flow, model.checkpoint.card)
    decoder = await start_decoder(settings, plan, kept_pixels, stack)
    store = await open_store(settings.store, plan, retriers, waiting_room, stack)
    supervisor = build_supervisor(settings, model.checkpoint, retriers, metrics, start_engine)
    stack.push_async_callback(supervisor.close)
    kafka = await connect_kafka(settings.kafka, retriers, stack)
    model = await start_model(settings, model, supervisor, decoder, stack)
    barrier = ModelBarrier(build_served_model(model.checkpoint, supervisor.running.version))
    metrics.set_model(model.checkpoint)

    handler = EventHandler(
        addressing=Addressing(settings.store.endpoint_url, settings.store.buckets),
        share=EventShare(settings.flow.fraction, settings.sampling.salt.get_secret_value().encode()),
        store=store,
        decoder=decoder,
        file_budget=FileBudget(plan.max_bytes_in_flight),
        judging=asyncio.Semaphore(settings.flow.max_in_flight),
        engine=supervisor,
        barrier=barrier,
        worker=worker,
        publisher=build_publisher(settings.kafka, worker, kafka.delivery, retriers, Probes(kafka.probe)),
        sampler=open_sampler(settings, plan, metrics, stack),
        observer=EventObserver(metrics, tracing),
    )
    loop = build_loop(settings, kafka.source, handler, waiting_room, metrics)
    health = stack.enter_context(build_health_server(settings.telemetry, loop, supervisor, metrics))
    if settings.engine.follow_s:
        swap = ModelSwap(supervisor, barrier, decoder, settings.flow, kept_pixels, metrics)
        await stack.enter_async_context(follow_champion(settings.engine, settings.store, model, swap, metrics))
    await kafka.source.start()
    revision = model.checkpoint.revision
    telemetry.get_logger().info(telemetry.WORKER_STARTED, worker=worker, http_port=health.port, revision=revision)
    return loop


def warn_of_stray_names() -> None:
    for name in list_stray_names():
        telemetry.get_logger().warning(telemetry.SETTING_IGNORED, name=name, did_you_mean=suggest_name(name))


async def open_model(settings: Settings, stack: AsyncExitStack) -> LocalModel:
    """Return the model of the settings, which stays in the cache until the stack is closed.

    A large model is downloaded and hashed for minutes: a stop does not wait for that.
    """
    model = await run_in_abandonable_thread(partial(fetch_first_model, settings.engine, settings.store))
    stack.enter_context(model.hold)
    return model


async def start_decoder(settings: Settings, plan: CapacityPlan, kept_pixels: int, stack: AsyncExitStack) -> DecodePool:
    """Start the decoder processes, and log which layers confine them. Raises: InternalFault if they do not start."""
    pool = DecodePool(max_pixels=settings.store.max_image_pixels, workers=plan.decoders, keep_pixels=kept_pixels)
    stack.callback(pool.close)
    confinement = await pool.read_confinement()
    telemetry.get_logger().info(telemetry.DECODER_CONFINED, holding=confinement.holding, refused=confinement.refused)
    return pool


async def open_store(
    settings: StoreSettings, plan: CapacityPlan, retriers: Retriers, waiting_room: WaitingRoom, stack: AsyncExitStack
) -> RetryingStore:
    """Open the image store and check its buckets; a bucket that cannot be read is a warning.

    Raises: BadSettings without buckets; StoreDenied for refused credentials.
    """
    require_buckets(settings)
    threads = plan.limit_fetch_threads(settings.max_image_bytes)
    store = ImageStore(settings, threads=threads, leave_slot=waiting_room.leave_slot)
    stack.callback(store.close)
    for bucket in sorted(settings.buckets):
        problem = await store.check(bucket)
        if problem:
            telemetry.get_logger().warning(telemetry.BUCKET_UNREADABLE, bucket=bucket, detail=problem)
    peers = Peers()

    def build_retrier(bucket: str) -> Retrier:
        others = sorted(settings.buckets - {bucket})
        return retriers.build(
            f"bucket {bucket}",
            probes=Probes(partial(store.probe, bucket), partial(store.probe_any, others)),
            peers=peers,
            sleep=waiting_room.sleep,
        )

    return RetryingStore(BoundedStore(store, settings.max_image_bytes), build_retrier)


def build_supervisor(
    settings: Settings, checkpoint: Checkpoint, retriers: Retriers, metrics: Metrics, start_engine: StartEngine | None
) -> Supervisor:
    start = partial(start_vllm, settings=settings.engine, max_in_flight=settings.flow.max_in_flight)
    return Supervisor(
        start_engine or start,
        checkpoint,
        restarts=settings.engine.restarts,
        retrier=retriers.build("engine"),
        metrics=metrics,
    )


async def start_model(
    settings: Settings, model: LocalModel, supervisor: Supervisor, decoder: DecodePool, stack: AsyncExitStack
) -> LocalModel:
    """Start the engine and return the model that serves, once it has answered its smoke questions.

    Where it fails them and the worker follows, the champion before takes over.

    Raises: ModelRefused, EngineDead, BadSettings.
    """
    await supervisor.start()
    try:
        await ask_smoke_questions(supervisor, model, decoder)
    except ModelRefused as refusal:
        fetch = partial(fetch_previous_model, settings.engine, settings.store, refusal)
        model = await run_in_abandonable_thread(fetch)
        stack.enter_context(model.hold)
        examine = partial(ask_smoke_questions, model=model, decoder=decoder)
        await supervisor.change_checkpoint(model.checkpoint, examine)
    return model


def build_loop(
    settings: Settings,
    source: KafkaSource | ExactlyOnce,
    handler: EventHandler,
    waiting_room: WaitingRoom,
    metrics: Metrics,
) -> WorkerLoop:
    return WorkerLoop(
        source,
        handler,
        settings.flow,
        commit_interval_s=settings.kafka.commit_interval_s,
        metrics=metrics,
        waiting_room=waiting_room,
    )


@dataclass(frozen=True, slots=True)
class KafkaEnds:
    """Both ends of the worker: records come in by `source`, answers go out by `delivery`."""

    source: KafkaSource | ExactlyOnce
    delivery: Delivery
    probe: Callable[[], Awaitable[None]]


async def connect_kafka(settings: KafkaSettings, retriers: Retriers, stack: AsyncExitStack) -> KafkaEnds:
    source = KafkaSource(settings)
    if settings.delivery == "exactly_once":
        both = ExactlyOnce(
            source,
            KafkaTransactions(settings),
            verdict_topic=settings.verdict_topic,
            on_outage=retriers.build_outage_reporter("broker"),
        )
        stack.push_async_callback(both.close)
        await both.check()
        return KafkaEnds(both, both, both.probe)
    delivery = AcknowledgedDelivery(settings)
    stack.push_async_callback(delivery.close)
    stack.push_async_callback(source.close)
    await source.check()
    return KafkaEnds(source, delivery, delivery.probe)


def build_publisher(
    settings: KafkaSettings, worker: str, delivery: Delivery, retriers: Retriers, probes: Probes = NO_PROBES
) -> RetryingPublisher:
    return RetryingPublisher(
        KafkaPublisher(settings, worker, delivery),
        verdict_retrier=retriers.build("verdict topic", probes=probes),
        letter_retrier=retriers.build("dead-letter topic", patience_s=math.inf),
    )


def open_sampler(
    settings: Settings, plan: CapacityPlan, metrics: Metrics, stack: AsyncExitStack
) -> LabelSampler | None:
    """Return None without a labeling bucket."""
    if not settings.sampling.bucket:
        return None
    bucket = LabelBucket(settings.store, settings.sampling.bucket)
    stack.callback(bucket.close)
    encoders = DecodePool(max_pixels=settings.store.max_image_pixels, workers=plan.encoders, niceness=ENCODER_NICENESS)
    stack.callback(encoders.close)
    return LabelSampler(
        bucket, encoders, build_sampling_policy(settings.sampling), metrics=metrics, clock=time.monotonic
    )


def build_sampling_policy(settings: SamplingSettings) -> SamplingPolicy:
    return SamplingPolicy(
        low_confidence_below=settings.low_confidence_below,
        corrected_fraction=settings.corrected_fraction,
        low_confidence_fraction=settings.low_confidence_fraction,
        control_fraction=settings.control_fraction,
        blind_fraction=settings.blind_fraction,
        daily_quota=settings.daily_quota,
        salt=settings.salt.get_secret_value().encode(),
    )
