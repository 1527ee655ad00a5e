"""What the worker tells: log lines, metrics, spans. Every name of ours stands here, with its meaning.

No explanation text, no query string, no pixel enters a log. OpenTelemetry is for traces only and off without OTEL_*.
"""

import logging
import sys
import time
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
from structlog.typing import EventDict

from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.errors import ZoomInError
from pipeline.wire.record import RawRecord
from worker.common.settings import TelemetrySettings, exports_traces

# Log events: snake case, past tense.
WORKER_STARTED = "worker_started"
WORKER_STOPPED = "worker_stopped"
WORKER_FAILED = "worker_failed"
STOP_REQUESTED = "stop_requested"
EVENT_JUDGED = "event_judged"
EVENT_DEAD_LETTERED = "event_dead_lettered"
RECORD_IGNORED = "record_ignored"
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
LABEL_WRITE_FAILED = "label_write_failed"
BUCKET_UNREADABLE = "bucket_unreadable"
CONSUMER_STALLED = "consumer_stalled"
SETTING_IGNORED = "setting_ignored"

STAGES = ("parse", "fetch", "decode", "scan", "check", "publish", "sample")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

Log = structlog.stdlib.BoundLogger


class Metrics:
    """Every metric with its meaning; one object per worker, so that two workers in a test do not share."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        r = self.registry = registry or CollectorRegistry()
        self.events = Counter(
            "zoomin_events", "Image events closed: verdict, dead_letter, ignored.", ["outcome"], registry=r
        )
        self.verdicts = Counter(
            "zoomin_verdicts",
            "Verdicts acknowledged by Kafka.",
            ["verdict", "status", "corrected", "uncertain"],
            registry=r,
        )
        self.dead_letters = Counter("zoomin_dead_letters", "Dead letters acknowledged by Kafka.", ["code"], registry=r)
        self.stage_seconds = Histogram(
            "zoomin_stage_seconds", "Seconds spent in a stage of one event.", ["stage"], buckets=SECONDS, registry=r
        )
        self.event_seconds = Histogram(
            "zoomin_event_seconds",
            "From the record's timestamp to the acknowledged verdict.",
            buckets=SECONDS,
            registry=r,
        )
        self.in_flight = Gauge("zoomin_in_flight", "Events being worked on.", registry=r)
        self.span = Gauge("zoomin_span", "Largest distance from oldest open to newest read offset.", registry=r)
        self.lag = Gauge("zoomin_lag_records", "Records behind the end of a partition.", ["partition"], registry=r)
        self.paused = Gauge("zoomin_paused", "Partitions held back because slots or span are full.", registry=r)
        self.retries = Counter("zoomin_retries", "Tries after the first.", ["dependency"], registry=r)
        self.outage = Gauge("zoomin_outage", "1 while a dependency serves nobody.", ["dependency"], registry=r)
        self.label_cases = Counter("zoomin_label_cases", "Cases put into the labeling bucket.", ["reason"], registry=r)
        self.label_failures = Counter(
            "zoomin_label_write_failures", "Cases let go because the labeling bucket failed.", registry=r
        )
        self.rebalances = Counter("zoomin_rebalances", "Times that partitions came or went.", registry=r)
        self.skipped = Counter(
            "zoomin_offsets_skipped", "Offsets that retention deleted before we read them.", registry=r
        )
        self.engine_restarts = Counter("zoomin_engine_restarts", "Engines started after a death.", registry=r)
        self.model_info = Gauge(
            "zoomin_model_info",
            "1, for the checkpoint that serves.",
            ["name", "revision", "prompt_version"],
            registry=r,
        )

    def serves(self, checkpoint: Checkpoint) -> None:
        self.model_info.labels(checkpoint.name, checkpoint.revision, PROMPT_VERSION).set(1)


def configure_logging(settings: TelemetrySettings) -> None:
    """JSON lines on stderr, or a console where people watch; kafka's and botocore's warnings pass a rate limit."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    # Strings in quotes: else what a sender wrote into an id would be obeyed by the terminal.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(repr_native_str=True) if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace_ids,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_OncePerMinute())
    handler.addFilter(_on_one_line)
    handler.addFilter(_without_credentials)
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(levelname)s %(name)s: %(message)s", force=True
    )


class _OncePerMinute(logging.Filter):
    """Clients repeat an outage several times a second: one line a minute for each place that says so."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.name, record.lineno), time.monotonic()
        if now - self._last.get(place, -60.0) < 60:
            return False
        self._last[place] = now
        return True


def _on_one_line(record: logging.LogRecord) -> bool:
    """Of a refusal Kafka's client shows a traceback through its own insides; what it was is enough."""
    if record.name.startswith("kafka.") and record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        record.msg, record.args = f"{record.getMessage()} ({type(error).__name__}: {error})", ()
        record.exc_info = record.exc_text = None
    return True


def _without_credentials(record: logging.LogRecord) -> bool:
    """OpenTelemetry quotes what it cannot read of OTEL_EXPORTER_OTLP_HEADERS, where tokens are."""
    if record.name == "opentelemetry.util.re":
        record.args = ("(not shown)",)
    return True


def _add_trace_ids(_logger: object, _method: str, line: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = trace.format_trace_id(span.trace_id)
        line["span_id"] = trace.format_span_id(span.span_id)
    return line


def logger() -> Log:
    log: Log = structlog.get_logger()
    return log


class Tracing:
    """Spans under the names of the OpenTelemetry messaging conventions, which are still in development."""

    def __init__(self, worker: str, group_id: str) -> None:
        self._group_id = group_id
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "zoomin", "service.instance.id": worker})
        )
        self._exports = exports_traces()
        if self._exports:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("zoomin")

    @contextmanager
    def process(self, record: RawRecord) -> Iterator[None]:
        """The consumer span of one record, a child of the trace that the record carries."""
        carrier = {"traceparent": (record.header("traceparent") or b"").decode("ascii", "replace")}
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
        with self._span(f"process {record.topic}", parent, trace.SpanKind.CONSUMER, attributes):
            yield

    def stage(self, name: str) -> AbstractContextManager[object]:
        """A span below the record's; where nobody reads it, nothing: it would cost as much as all else we tell."""
        return self._span(name) if self._exports else nullcontext()

    @contextmanager
    def _span(
        self,
        name: str,
        parent: context.Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[None]:
        """An error is told by its name alone: its text, and those of its causes, may hold what a sender wrote."""
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", error.code if isinstance(error, ZoomInError) else type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise

    def traceparent(self) -> str | None:
        """Of the current span, for the header of what we publish."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        self._provider.shutdown()
