import ast
import re
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from pipeline.errors import MalformedEvent
from tests.support.builders import build_record
from tests.support.servers.collector import run_collector
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
        "label_cases label_write_failures rebalances offsets_skipped engine_restarts model_info "
        "model_swaps model_swap_seconds model_refused"
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
