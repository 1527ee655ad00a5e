import argparse
import io
import json
from pathlib import Path

import pytest

from pipeline.errors import FatalError
from tests.support.builders import build_notification
from tests.support.foreign_records import ForeignRecord, list_foreign_records
from tests.support.processes.commands import run_command
from worker.commands import events
from worker.commands.events import parse_header
from worker.common.sections import StoreSettings
from worker.common.settings import Settings

ANY_BUCKET = Settings(store=StoreSettings(endpoint_url="http://127.0.0.1:9000"))
UPLOADS = Settings(store=StoreSettings(buckets=frozenset({"uploads"})))


def run_events(
    capsys: pytest.CaptureFixture[str], *arguments: str, settings: Settings = UPLOADS
) -> tuple[int, list[dict[str, object]]]:
    code = run_command(events, "--json", *arguments, settings=settings)
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    lines = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(lines))
    return lines


@pytest.mark.parametrize("record", list_foreign_records(), ids=lambda record: record.name)
def test_a_foreign_record_becomes_what_it_has_to(
    record: ForeignRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / record.name
    file.write_text(json.dumps(record.value, indent=1))
    code, (line,) = run_events(capsys, str(file), settings=ANY_BUCKET)
    outcome = "images" if record.images else "code" if record.refused else "ignored"
    assert (code, line["outcome"]) == (int(record.refused), outcome)
    assert len(line["images"]) == record.images  # type: ignore[arg-type]
    assert line["code"] == ("malformed_event" if record.refused else None)
    assert record.words in str(line["detail"])
    assert line["file"] == str(file)


def test_a_line_names_all_that_a_sender_wants_to_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mixed.json"
    body = build_notification(("uploads", "a+b"), ("secret", "c"), ("uploads", "d/"), eTag="e", versionId="v", size=0)
    file.write_text(json.dumps(body))
    code, (line,) = run_events(capsys, str(file))
    image = line["images"][0]  # type: ignore[index]
    assert code == 1
    assert line["outcome"] == "images"
    assert image | {"event_id": None} == {
        "event_id": None, "bucket": "uploads", "key": "a b", "etag": "e", "version_id": "v", "index": "0"
    }  # fmt: skip
    assert image["event_id"]
    refusal = "bucket 'secret' is not on the allow-list: add it to ZOOMIN_STORE__BUCKETS of the worker"
    assert (line["code"], line["detail"]) == ("bucket_forbidden", refusal)
    assert line["refused"] == [{"index": "1", "code": "bucket_forbidden", "detail": refusal}]
    assert [entry["index"] for entry in line["ignored"]] == ["2"]  # type: ignore[attr-defined]


def test_an_id_that_the_offset_makes_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {"bare": "s3://uploads/a", "own": '{"url": "s3://uploads/a", "id": "e1"}'}.items():
        (tmp_path / name).write_text(value)
    code, lines = run_events(capsys, str(tmp_path / "bare"), str(tmp_path / "own"))
    assert code == 0
    assert [line["images"][0]["event_id"] for line in lines] == [None, "e1"]  # type: ignore[index]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_each_line_of_stdin_is_a_record(
    arguments: tuple[str, ...], stdin: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin.write(b's3://uploads/a\r\n\n{"url": 1}\n')
    stdin.seek(0)
    code, lines = run_events(capsys, *arguments)
    assert code == 1
    assert [(line["file"], line["outcome"]) for line in lines] == [("stdin:1", "images"), ("stdin:3", "code")]


def test_headers_make_a_binary_cloudevent(stdin: io.BytesIO, capsys: pytest.CaptureFixture[str]) -> None:
    stdin.write(b'{"url": "s3://uploads/a"}')
    stdin.seek(0)
    attributes = ("ce_specversion=1.0", "ce_id=1", "ce_source=/x", "ce_type=t")
    code, (line,) = run_events(capsys, *(part for text in attributes for part in ("--header", text)))
    assert code == 0
    assert line["images"][0]["event_id"]  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "name", "=value"])
def test_a_header_has_a_name_and_a_value(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="NAME=VALUE"):
        parse_header(text)


def test_people_get_a_line_for_each_entry_and_no_control_characters(
    stdin: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin.write(
        b"s3://uploads/\xe2\x80\xae.png\n" + json.dumps(build_notification(("uploads", "a"), ("b", "c"))).encode()
    )
    stdin.seek(0)
    assert run_command(events, settings=UPLOADS) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "s3://uploads/\\u202e.png" in lines[0]
    assert "from the record's offset" in lines[0]
    assert [line.split()[:2] for line in lines[1:3]] == [["image", "stdin:2#0"], ["bucket_forbidden", "stdin:2#1"]]
    assert lines[3] == "2 images, 1 bucket_forbidden"


def test_without_an_allow_list_every_bucket_is_allowed_and_that_is_printed(
    stdin: io.BytesIO, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin.write(b"s3://anything/a")
    stdin.seek(0)
    assert run_command(events, settings=ANY_BUCKET) == 0
    assert "ZOOMIN_STORE__BUCKETS is not set" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"gone\.json cannot be read: No such file"):
        run_command(events, str(tmp_path / "gone.json"), settings=UPLOADS)
