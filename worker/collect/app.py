"""Composition root of `zoomin collect`: build it from the settings, own all lifetimes, start first what may fail first.

Each topic has a loop, a group, retriers and metrics of its own; index and labeling bucket serve both.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from pipeline.errors import BadSettings
from pipeline.sandbox.decode_pool import DecodePool
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.wire.urls import Addressing
from worker.app import WAITING_PLACES, build_publisher, open_store, warn_of_stray_names
from worker.collect.deletion import DeletionCollector
from worker.collect.label_store import LabelStore
from worker.collect.metrics_by_topic import MetricsByTopic
from worker.collect.record_handler import Collector, RecordHandler
from worker.collect.review import ReviewCollector
from worker.collect.topics import LOOPS, list_collect_topics
from worker.collect.verdict_finder import VerdictFinder
from worker.collect.verdict_follower import VerdictFollower
from worker.collect.verdict_index import VerdictIndex
from worker.common.sections import KafkaSettings
from worker.common.settings import Settings, build_worker_name
from worker.common.waiting_room import WaitingRoom
from worker.kafka.delivery import AcknowledgedDelivery
from worker.kafka.source import KafkaSource
from worker.kafka.topic_reader import RecordReader
from worker.loop import WorkerLoop
from worker.observe import telemetry
from worker.observe.event_observer import EventObserver
from worker.observe.health import HealthServer
from worker.observe.retriers import Retriers
from worker.observe.telemetry import Metrics, Tracing
from worker.probes import check_membership, check_turning
from worker.serving.capacity import CapacityPlan, plan_capacity
from worker.stopping import finish_before, stop_on_signals
from worker.storage.client import open_store_client
from worker.storage.file_budget import FileBudget

CONNECTIONS = 16
"""to the labeling bucket from each loop; half of them serve the search for cases"""


async def run_collect(settings: Settings) -> bool:
    """Collect reviews and deletions until SIGTERM or SIGINT; a second signal leaves at once.

    Returns False when the signal came during the start, parts of which may still go on in threads of their own.

    Raises: FatalError.
    """
    stop = stop_on_signals()
    worker = build_worker_name()
    async with AsyncExitStack() as stack:
        loops = await finish_before(stop, _start(settings, worker, stack))
        if loops is None:
            return False
        await _run_loops(loops, stop)
        telemetry.get_logger().info(telemetry.WORKER_STOPPED, worker=worker)
        return True


async def _run_loops(loops: Sequence[WorkerLoop], stop: asyncio.Event) -> None:
    """Run until all loops have drained; the first fatal error ends the others, which then commit nothing more."""
    running = [asyncio.create_task(loop.run(stop)) for loop in loops]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Ends:
    """What one topic has for itself."""

    kafka: KafkaSettings
    metrics: Metrics
    retriers: Retriers
    observer: EventObserver
    waiting_room: WaitingRoom
    source: KafkaSource
    delivery: AcknowledgedDelivery


async def _start(settings: Settings, worker: str, stack: AsyncExitStack) -> list[WorkerLoop]:
    """Connect to everything, index the verdicts, and join the groups."""
    warn_of_stray_names()
    if not settings.sampling.bucket:
        raise BadSettings("reviews go to the labeling bucket: name it in ZOOMIN_SAMPLING__BUCKET")
    ends = {name: _open_ends(settings, build(settings), worker, stack) for name, build in LOOPS.items()}
    for end in ends.values():
        await end.source.check()
    index = VerdictIndex(settings.collect.max_verdicts)
    stack.callback(index.close)
    follower = await _follow_verdicts(settings, index, ends["reviews"], stack)
    plan = plan_capacity(settings.flow)
    collectors: dict[str, Collector] = {
        "reviews": await _build_review_collector(settings, plan, index, follower, ends["reviews"], stack),
        "deletions": await _build_deletion_collector(settings, index, follower, ends["deletions"], stack),
    }
    loops = {name: _build_loop(settings, worker, ends[name], collectors[name]) for name in LOOPS}
    health = stack.enter_context(_build_health_server(settings, loops, follower, ends))
    for end in ends.values():
        await end.source.start()
    telemetry.get_logger().info(
        telemetry.WORKER_STARTED, worker=worker, http_port=health.port, verdicts_indexed=len(index)
    )
    return list(loops.values())


def _open_ends(settings: Settings, kafka: KafkaSettings, worker: str, stack: AsyncExitStack) -> _Ends:
    metrics, tracing = Metrics(), Tracing(worker, kafka.group_id)
    stack.callback(tracing.close)
    delivery, source = AcknowledgedDelivery(kafka), KafkaSource(kafka, list_collect_topics(settings.kafka))
    stack.push_async_callback(delivery.close)
    stack.push_async_callback(source.close)
    return _Ends(
        kafka,
        metrics,
        Retriers(settings.retry, metrics),
        EventObserver(metrics, tracing),
        WaitingRoom(WAITING_PLACES),
        source,
        delivery,
    )


async def _follow_verdicts(
    settings: Settings, index: VerdictIndex, ends: _Ends, stack: AsyncExitStack
) -> VerdictFollower:
    follower = VerdictFollower(
        settings.kafka,
        index,
        since=datetime.now(UTC) - timedelta(days=settings.collect.lookback_days),
        on_outage=ends.retriers.build_outage_reporter("verdict topic"),
    )
    stack.callback(follower.close)
    await run_in_abandonable_thread(follower.start)
    return follower


async def _build_review_collector(
    settings: Settings,
    plan: CapacityPlan,
    index: VerdictIndex,
    follower: VerdictFollower,
    ends: _Ends,
    stack: AsyncExitStack,
) -> ReviewCollector:
    encoders = DecodePool(max_pixels=settings.store.max_image_pixels, workers=plan.decoders)
    stack.callback(encoders.close)
    return ReviewCollector(
        addressing=Addressing(settings.store.endpoint_url, settings.store.buckets),
        verdicts=_build_finder(settings, index, follower, ends, stack),
        store=await open_store(settings.store, plan, ends.retriers, ends.waiting_room, stack),
        file_budget=FileBudget(plan.max_bytes_in_flight),
        encoder=encoders,
        labels=await _open_label_store(settings, ends, stack),
        observer=ends.observer,
    )


async def _build_deletion_collector(
    settings: Settings, index: VerdictIndex, follower: VerdictFollower, ends: _Ends, stack: AsyncExitStack
) -> DeletionCollector:
    return DeletionCollector(
        addressing=Addressing(settings.store.endpoint_url, settings.store.buckets),
        index=index,
        history=follower,
        verdicts=_build_finder(settings, index, follower, ends, stack),
        labels=await _open_label_store(settings, ends, stack),
        observer=ends.observer,
    )


def _build_finder(
    settings: Settings, index: VerdictIndex, follower: VerdictFollower, ends: _Ends, stack: AsyncExitStack
) -> VerdictFinder:
    finder = VerdictFinder(
        index,
        follower,
        RecordReader(settings.kafka, settings.kafka.verdict_topic),
        retrier=ends.retriers.build("verdict"),
        patience_s=settings.retry.patience_s,
        sleep=ends.waiting_room.sleep,
        clock=time.monotonic,
    )
    stack.callback(finder.close)
    return finder


async def _open_label_store(settings: Settings, ends: _Ends, stack: AsyncExitStack) -> LabelStore:
    client = open_store_client(settings.store, CONNECTIONS)
    stack.callback(client.close)
    labels = LabelStore(client, settings.sampling.bucket, ends.retriers.build("labeling bucket"))
    await labels.check()
    return labels


def _build_loop(settings: Settings, worker: str, ends: _Ends, collector: Collector) -> WorkerLoop:
    publisher = build_publisher(ends.kafka, worker, ends.delivery, ends.retriers)
    return WorkerLoop(
        ends.source,
        RecordHandler(collector, publisher, ends.observer),
        settings.flow,
        commit_interval_s=ends.kafka.commit_interval_s,
        metrics=ends.metrics,
        waiting_room=ends.waiting_room,
    )


def _build_health_server(
    settings: Settings, loops: Mapping[str, WorkerLoop], follower: VerdictFollower, ends: Mapping[str, _Ends]
) -> HealthServer:
    registry = CollectorRegistry()
    registry.register(MetricsByTopic({end.kafka.input_topic: end.metrics.registry for end in ends.values()}))

    def check_liveness() -> str | None:
        return next(filter(None, map(check_turning, loops.values())), follower.problem)

    def check_readiness() -> str | None:
        return next(filter(None, map(check_membership, loops.values())), None)

    return HealthServer(
        settings.telemetry.http_host,
        settings.telemetry.http_port,
        live=check_liveness,
        ready=check_readiness,
        registry=registry,
    )
