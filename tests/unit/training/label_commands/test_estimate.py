import gzip
import json
from pathlib import Path

import pytest

from tests.unit.training.estimates.test_drift import write_verdicts
from training.__main__ import main


def test_nothing_to_estimate_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate"]) == 2
    assert "s3://bucket" in capsys.readouterr().err


def test_verdicts_without_a_reference_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--verdicts", write_verdicts(tmp_path / "verdicts", days=1), "--out", str(tmp_path)]) == 2
    assert "--reference-until T" in capsys.readouterr().err


def test_drift_needs_no_bucket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = write_verdicts(tmp_path / "before", days=4)
    (tmp_path / "before.gz").write_bytes(gzip.compress(Path(before).read_bytes()))
    after = write_verdicts(tmp_path / "after", days=1, first=4, moved="s0")
    options = ["--verdicts", after, "--reference", str(tmp_path / "before.gz"), "--out", str(tmp_path / "out")]
    assert main(["estimate", *options, "--textfile", str(tmp_path / "zoomin.prom"), "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    report = json.loads(last)
    assert report["estimates"] is None
    assert report["drift"]["moved"][0]["source"] == "s0"
    assert any(line.startswith("alarm: ") for line in text)
    assert (tmp_path / "out" / "report.html").is_file()
    assert "zoomin_drift_psi" in (tmp_path / "zoomin.prom").read_text()
