import json
import logging
import re

import pytest

from tests.support.builders import build_record
from worker.common.sections import TelemetrySettings
from worker.observe import telemetry
from worker.observe.log_output import configure_logging
from worker.observe.telemetry import Tracing

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_log_lines_are_json_and_carry_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(TelemetrySettings(log_format="json"))
    tracing = Tracing("worker", "group")
    with tracing.trace_record(build_record(b"{}", headers={"traceparent": TRACEPARENT.encode()})):
        telemetry.get_logger().info(telemetry.EVENT_JUDGED, verdict="real")
    line = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert line["event"] == "event_judged"
    assert line["trace_id"] == TRACEPARENT.split("-")[1]


def test_what_senders_write_cannot_paint_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(TelemetrySettings(log_format="console"))
    telemetry.get_logger().warning(
        telemetry.EVENT_DEAD_LETTERED, event_id="\x1b]0;x\x07\u202e", detail="a\r\nforged\x9b2J"
    )
    (line,) = capsys.readouterr().err.splitlines()
    shown = re.sub(r"\x1b\[\d*m", "", line)
    assert shown.isprintable()
    assert r"event_id='\x1b]0;x\x07\u202e'" in shown


def test_a_client_that_repeats_itself_is_heard_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(TelemetrySettings(log_format="json"))
    for attempt in range(50):
        logging.getLogger("some.client").warning("connection refused, attempt %s", attempt)
    assert capsys.readouterr().err.count("connection refused") == 1


def test_kafkas_client_shows_no_traceback_and_others_do(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(TelemetrySettings(log_format="json"))
    for name in ("kafka.net.transport", "asyncio"):
        try:
            raise ConnectionResetError("by peer")
        except ConnectionResetError:
            logging.getLogger(name).exception("lost %s", "it")
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == [
        "ERROR kafka.net.transport: lost it (ConnectionResetError: by peer)",
        "ERROR asyncio: lost it",
        "Traceback (most recent call last):",
    ]


def test_a_token_that_opentelemetry_cannot_read_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization Bearer planted-token")
    configure_logging(TelemetrySettings(log_format="json"))
    Tracing("worker", "group").close()
    said = capsys.readouterr().err
    assert "Header format invalid" in said
    assert "planted-token" not in said
