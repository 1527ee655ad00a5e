"""Telemetry of the worker: all names of log events and metrics with their meaning, and the spans of a record.

No explanation text, no query string, no pixel enters a log. OpenTelemetry is for traces only; without OTEL_* it is off.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import structlog
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.types import AttributeValue
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.errors import ZoomInError
from pipeline.wire.record import RawRecord
from worker.common.settings import is_tracing_enabled

# Log events: snake case, past tense.
WORKER_STARTED = "worker_started"
WORKER_STOPPED = "worker_stopped"
WORKER_FAILED = "worker_failed"
STOP_REQUESTED = "stop_requested"
EVENT_JUDGED = "event_judged"
EVENT_DEAD_LETTERED = "event_dead_lettered"
RECORD_IGNORED = "record_ignored"
EVENTS_LEFT_OUT = "events_left_out"
REVIEW_COLLECTED = "review_collected"
IMAGES_ERASED = "images_erased"
CASES_UNREADABLE = "cases_unreadable"
DEAD_LETTERS_PILED_UP = "dead_letters_piled_up"
DEAD_LETTERS_CEASED = "dead_letters_ceased"
PARTITIONS_ASSIGNED = "partitions_assigned"
PARTITIONS_REVOKED = "partitions_revoked"
MEMBER_FENCED = "member_fenced"
COMMIT_POSTPONED = "commit_postponed"
TRANSACTION_FAILED = "transaction_failed"
DEPENDENCY_RETRIED = "dependency_retried"
OUTAGE_BEGAN = "outage_began"
OUTAGE_ENDED = "outage_ended"
ENGINE_STARTED = "engine_started"
ENGINE_DIED = "engine_died"
MODEL_FETCH_ADVANCED = "model_fetch_advanced"
MODEL_SWAPPED = "model_swapped"
MODEL_SWAP_POSTPONED = "model_swap_postponed"
MODEL_REFUSED = "model_refused"
FOLLOW_FAILED = "follow_failed"
REGISTRY_UNREADABLE = "registry_unreadable"
REGISTRY_READABLE = "registry_readable"
LABEL_WRITE_FAILED = "label_write_failed"
LABEL_QUOTA_SPENT = "label_quota_spent"
REPORT_FAILED = "report_failed"
BUCKET_UNREADABLE = "bucket_unreadable"
CONSUMER_STALLED = "consumer_stalled"
LOG_TRUNCATED = "log_truncated"
SETTING_IGNORED = "setting_ignored"
DECODER_CONFINED = "decoder_confined"

STAGES = ("parse", "fetch", "decode", "scan", "check", "publish", "sample", "find", "label", "erase")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

Log = structlog.stdlib.BoundLogger


class Metrics:
    """All metrics with their meaning; each worker has its own object, so that two workers in a test share nothing."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        r = self.registry = registry or CollectorRegistry()
        self.events = Counter(
            "zoomin_events",
            "Entries of records closed: verdict, dead_letter, ignored, left_out (beyond ZOOMIN_FLOW__FRACTION); in "
            "`zoomin collect` labeled, withheld (a review of a deleted image), erased, dead_letter.",
            ["outcome"],
            registry=r,
        )
        self.verdicts = Counter(
            "zoomin_verdicts",
            "Verdicts acknowledged by Kafka.",
            ["verdict", "status", "corrected", "uncertain"],
            registry=r,
        )
        self.repaired_images = Counter(
            "zoomin_repaired_images", "Verdicts on broken files that viewers show nevertheless.", registry=r
        )
        self.dead_letters = Counter("zoomin_dead_letters", "Dead letters acknowledged by Kafka.", ["code"], registry=r)
        self.dead_letter_share = Gauge(
            "zoomin_dead_letter_share", "Share of the recent answers that have this code, 0 to 1.", ["code"], registry=r
        )
        self.stage_seconds = Histogram(
            "zoomin_stage_seconds", "Seconds spent in a stage of one event.", ["stage"], buckets=SECONDS, registry=r
        )
        self.event_seconds = Histogram(
            "zoomin_event_seconds",
            "From the record's timestamp, where it is plausible, to the acknowledged verdict.",
            buckets=SECONDS,
            registry=r,
        )
        self.in_flight = Gauge("zoomin_in_flight", "Events being worked on.", registry=r)
        self.waiting = Gauge(
            "zoomin_waiting", "Those of the events in flight that wait for their bucket; they hold no slot.", registry=r
        )
        self.span = Gauge(
            "zoomin_span", "Most records of a partition from its last commit to the newest read.", registry=r
        )
        self.lag = Gauge("zoomin_lag_records", "Records behind the end of a partition.", ["partition"], registry=r)
        self.paused = Gauge("zoomin_paused", "Partitions held back because slots or span are full.", registry=r)
        self.retries = Counter("zoomin_retries", "Tries after the first.", ["dependency"], registry=r)
        self.outage = Gauge("zoomin_outage", "1 while a dependency serves nobody.", ["dependency"], registry=r)
        self.label_cases = Counter(
            "zoomin_label_cases",
            "Cases put into the labeling bucket, each counted once for each of its reasons.",
            ["reason"],
            registry=r,
        )
        self.label_failures = Counter(
            "zoomin_label_write_failures", "Cases let go because the labeling bucket failed.", registry=r
        )
        self.quota_cuts = Counter(
            "zoomin_label_quota_cuts",
            "Images that a stratum would have drawn at its full fraction; limit: pace (a lower one), spent (none).",
            ["reason", "limit"],
            registry=r,
        )
        self.cases_withheld = Counter(
            "zoomin_label_cases_withheld",
            "Drawn images without a case: repost (has one of that day), deleted (has a tombstone).",
            ["cause"],
            registry=r,
        )
        self.rebalances = Counter("zoomin_rebalances", "Times that partitions came or went.", registry=r)
        self.skipped = Counter(
            "zoomin_offsets_skipped", "Offsets that retention deleted before we read them.", registry=r
        )
        self.log_truncations = Counter(
            "zoomin_log_truncations", "Partitions whose log ended before the offset we expected next.", registry=r
        )
        self.engine_restarts = Counter("zoomin_engine_restarts", "Engines started after a death.", registry=r)
        self.model_swaps = Counter(
            "zoomin_model_swaps",
            "New champions that serve; way: reload (of weights in the engine) or restart (of the engine).",
            ["way"],
            registry=r,
        )
        self.model_swap_seconds = Histogram(
            "zoomin_model_swap_seconds",
            "From the last event that was admitted to the old model to the first one of the new model.",
            ["way"],
            buckets=SECONDS,
            registry=r,
        )
        self.model_refused = Counter(
            "zoomin_model_refused",
            "New champions that may not serve: manifest, files, card, capacity, load, smoke.",
            ["reason"],
            registry=r,
        )
        self.model_info = Gauge(
            "zoomin_model_info",
            "1, for the checkpoint that serves.",
            ["name", "revision", "prompt_version"],
            registry=r,
        )

    def set_model(self, checkpoint: Checkpoint) -> None:
        self.model_info.clear()
        self.model_info.labels(checkpoint.name, checkpoint.revision, PROMPT_VERSION).set(1)


def get_logger() -> Log:
    log: Log = structlog.get_logger()
    return log


class Tracing:
    """Spans under the names of the OpenTelemetry messaging conventions, which are still in development."""

    def __init__(self, worker: str, group_id: str) -> None:
        self._group_id = group_id
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "zoomin", "service.instance.id": worker})
        )
        self._exports = is_tracing_enabled()
        if self._exports:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("zoomin")

    @contextmanager
    def trace_record(self, record: RawRecord) -> Iterator[None]:
        """Open the consumer span of one record, a child of the trace that the record carries."""
        carrier = {"traceparent": (record.get_header("traceparent") or b"").decode("ascii", "replace")}
        attributes: dict[str, AttributeValue] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._group_id,
        }
        parent = propagate.extract(carrier, context.Context())
        with self._open_span(f"process {record.topic}", parent, trace.SpanKind.CONSUMER, attributes):
            yield

    def trace_stage(self, name: str) -> AbstractContextManager[object]:
        """Open a span below the record's; without an exporter do nothing: it costs as much as all other telemetry."""
        return self._open_span(name) if self._exports else nullcontext()

    @contextmanager
    def _open_span(
        self,
        name: str,
        parent: context.Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[None]:
        """Open a span; note an error by its name alone, because its text may hold what a sender wrote."""
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", error.code if isinstance(error, ZoomInError) else type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise

    def read_traceparent(self) -> str | None:
        """Return the current span as the header of a message to publish."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        self._provider.shutdown()
