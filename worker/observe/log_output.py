"""Output of the log: JSON lines or readable ones; the trace of each line; filters for the lines of libraries."""

import logging
import sys
import time

import structlog
from opentelemetry import trace
from structlog.typing import EventDict

from worker.common.sections import TelemetrySettings


def configure_logging(settings: TelemetrySettings) -> None:
    """Write JSON lines to stderr, or readable ones to a terminal; limit the rate of the libraries' own warnings."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    # Strings in quotes: otherwise a terminal would obey control sequences that a sender wrote into an id.
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
    handler.addFilter(_shorten_traceback)
    handler.addFilter(_hide_credentials)
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(levelname)s %(name)s: %(message)s", force=True
    )


class _OncePerMinute(logging.Filter):
    """Passes one line a minute from each place in the code: clients report an outage several times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.name, record.lineno), time.monotonic()
        if now - self._last.get(place, -60.0) < 60:
            return False
        self._last[place] = now
        return True


def _shorten_traceback(record: logging.LogRecord) -> bool:
    """Replace a traceback through the Kafka client's own code by the error in one line."""
    if record.name.startswith("kafka.") and record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        record.msg, record.args = f"{record.getMessage()} ({type(error).__name__}: {error})", ()
        record.exc_info = record.exc_text = None
    return True


def _hide_credentials(record: logging.LogRecord) -> bool:
    """Drop the part of OTEL_EXPORTER_OTLP_HEADERS that OpenTelemetry quotes if it cannot parse it: maybe a token."""
    if record.name == "opentelemetry.util.re":
        record.args = ("(not shown)",)
    return True


def _add_trace_ids(_logger: object, _method: str, line: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = trace.format_trace_id(span.trace_id)
        line["span_id"] = trace.format_span_id(span.span_id)
    return line
