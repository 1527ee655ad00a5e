import ast
import json
import logging
import re
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from pipeline.errors import MalformedEvent
from tests.support.builders import build_record
from tests.support.servers.collector import run_collector
from worker.common.sections import TelemetrySettings
from worker.observe import telemetry
from worker.observe.telemetry import Metrics, Tracing

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SOURCE = Path(telemetry.__file__).parents[1]


def test_the_trace_of_the_record_goes_on() -> None:
    tracing = Tracing("worker", "group")
    with (
        tracing.trace_record(build_record(b"{}", headers={"traceparent": TRACEPARENT.encode()})),
        tracing.trace_stage("fetch"),
    ):
        continued = tracing.read_traceparent()
    assert continued is not None
    assert continued.split("-")[1] == TRACEPARENT.split("-")[1]
    assert continued.split("-")[2] != TRACEPARENT.split("-")[2]


def test_stages_cost_no_span_where_nobody_reads_them() -> None:
    tracing = Tracing("worker", "group")
    with tracing.trace_record(build_record(b"{}")):
        outside = tracing.read_traceparent()
        with tracing.trace_stage("fetch"):
            assert tracing.read_traceparent() == outside


@pytest.mark.parametrize("header", [None, b"", b"\xff\xfe", b"00-zz-zz-01"])
def test_a_record_without_a_readable_trace_begins_one(header: bytes | None) -> None:
    tracing = Tracing("worker", "group")
    with tracing.trace_record(build_record(b"{}", headers={"traceparent": header} if header is not None else {})):
        assert tracing.read_traceparent()


def test_log_lines_are_json_and_carry_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging(TelemetrySettings(log_format="json"))
    tracing = Tracing("worker", "group")
    with tracing.trace_record(build_record(b"{}", headers={"traceparent": TRACEPARENT.encode()})):
        telemetry.get_logger().info(telemetry.EVENT_JUDGED, verdict="real")
    line = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert line["event"] == "event_judged"
    assert line["trace_id"] == TRACEPARENT.split("-")[1]


def test_what_senders_write_cannot_paint_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging(TelemetrySettings(log_format="console"))
    telemetry.get_logger().warning(
        telemetry.EVENT_DEAD_LETTERED, event_id="\x1b]0;x\x07\u202e", detail="a\r\nforged\x9b2J"
    )
    (line,) = capsys.readouterr().err.splitlines()
    shown = re.sub(r"\x1b\[\d*m", "", line)
    assert shown.isprintable()
    assert r"event_id='\x1b]0;x\x07\u202e'" in shown


def test_a_client_that_repeats_itself_is_heard_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging(TelemetrySettings(log_format="json"))
    for attempt in range(50):
        logging.getLogger("some.client").warning("connection refused, attempt %s", attempt)
    assert capsys.readouterr().err.count("connection refused") == 1


def test_kafkas_client_shows_no_traceback_and_others_do(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging(TelemetrySettings(log_format="json"))
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
    telemetry.configure_logging(TelemetrySettings(log_format="json"))
    Tracing("worker", "group").close()
    said = capsys.readouterr().err
    assert "Header format invalid" in said
    assert "planted-token" not in said


def test_a_trace_names_an_error_without_its_text_and_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_collector() as traces:
        for name, value in traces.environment.items():
            monkeypatch.setenv(name, value)
        tracing = Tracing("worker", "group")
        with suppress(MalformedEvent), tracing.trace_record(build_record(b"{}")), tracing.trace_stage("parse"):
            try:
                raise ValueError("netloc user:planted-secret@host")
            except ValueError as error:
                raise MalformedEvent("planted-secret is not a URL") from error
        tracing.close()
    told = b"".join(traces.received)
    assert b"malformed_event" in told
    assert b"planted-secret" not in told


def test_every_metric_of_the_contract_is_there_with_its_meaning() -> None:
    exposed = generate_latest(Metrics().registry).decode()
    names = (
        "events verdicts dead_letters stage_seconds event_seconds in_flight span lag_records paused retries outage "
        "label_cases label_write_failures rebalances offsets_skipped engine_restarts model_info"
    )
    for name in names.split():
        assert re.search(rf"^# HELP zoomin_{name}(_total)? \S.*\.$", exposed, re.MULTILINE), name


def test_every_log_event_is_used_and_none_is_spelled_out_elsewhere() -> None:
    constants = {name: value for name, value in vars(telemetry).items() if name.isupper() and isinstance(value, str)}
    code = {path: path.read_text() for path in SOURCE.rglob("*.py") if path.name != "telemetry.py"}
    used = {
        node.attr for text in code.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)
    }
    assert set(constants) - {"PROMPT_VERSION"} <= used
