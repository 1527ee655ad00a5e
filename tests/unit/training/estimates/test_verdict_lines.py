import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import BadSettings
from tests.support.verdicts import build_verdict
from training.estimates.verdict_lines import SkippedLines, read_verdicts

VERDICTS = [build_verdict(event_id=str(number)) for number in range(3)]
LINES = b"".join(verdict.model_dump_json().encode() + b"\n" for verdict in VERDICTS)


def test_verdicts_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_bytes(LINES)
    assert list(read_verdicts(str(tmp_path / "verdicts.jsonl"), SkippedLines())) == VERDICTS


def test_a_gzipped_file_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "verdicts").write_bytes(gzip.compress(LINES))
    assert list(read_verdicts(str(tmp_path / "verdicts"), SkippedLines())) == VERDICTS


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(LINES)))
    assert list(read_verdicts("-", SkippedLines())) == VERDICTS


def test_a_line_that_is_no_verdict_is_counted_and_named(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    file.write_bytes(b'not json\n\n{"schema_version": 2}\n[1]\n\xff\xfe\n' + LINES + b'{"verdict_id": "cut')
    skipped = SkippedLines()
    assert list(read_verdicts(str(file), skipped)) == VERDICTS
    assert sum(skipped.counts.values()) == 5
    assert skipped.examples[0].startswith("verdicts.jsonl line 1: ")
    assert any("schema_version" in example for example in skipped.examples)


def test_a_cut_archive_gives_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.gz"
    file.write_bytes(gzip.compress(LINES * 50)[:-60])
    skipped = SkippedLines()
    assert len(list(read_verdicts(str(file), skipped))) > 0
    assert "the file ends here" in skipped.examples[-1]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BadSettings, match=r"nowhere\.jsonl"):
        list(read_verdicts("nowhere.jsonl", SkippedLines()))
