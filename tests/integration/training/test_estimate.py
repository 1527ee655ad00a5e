"""Estimates of a labeling bucket on a real S3, through the command line."""

import json
from pathlib import Path

import pytest

from pipeline.wire.labels import LabelCase, build_case_key, build_label_key
from tests.support.estimate_reports import build_adjudicated
from tests.support.labels import build_case, leave_tombstone
from tests.support.servers.services import S3ForTests
from training.__main__ import main
from training.evaluation.summary import Json
from training.labeling.bucket import open_labeling_bucket
from training.settings import TrainSettings

CASES = 60


@pytest.fixture
def bucket(seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_ENDPOINT_URL", seaweedfs.endpoint_url)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_REGION", seaweedfs.region)
    return seaweedfs.create_bucket("labels")


def put(s3: S3ForTests, bucket: str, key: str, body: bytes) -> None:
    s3.client.put_object(Bucket=bucket, Key=key, Body=body)


def put_case(s3: S3ForTests, bucket: str, case: LabelCase) -> None:
    put(s3, bucket, build_case_key(case.case_id, case.created_at.date()), case.model_dump_json().encode())


def fill(s3: S3ForTests, bucket: str) -> None:
    """Write labeled cases, a pending one, an appeal, a deleted image, and what is broken or alone."""
    for number in range(CASES):
        found = build_adjudicated(number)
        put_case(s3, bucket, found.case)
        for label in found.adjudication.labels:
            put(s3, bucket, build_label_key(label.case_id, label.label_id), label.model_dump_json().encode())
    for number, changes in ((100, {}), (101, {"reasons": ("review",), "inclusion_probability": 0.0})):
        put_case(s3, bucket, build_case(build_adjudicated(number).case.verdict_event, **changes))
    deleted = build_adjudicated(102).case
    put_case(s3, bucket, deleted)
    with open_labeling_bucket(f"s3://{bucket}", TrainSettings()) as opened:
        leave_tombstone(opened, deleted)
    put(s3, bucket, "cases/2026/01/01/broken.json", b'{"schema_version": 9}')
    put(s3, bucket, "cases/foreign.txt", b"\xff not ours")
    put(s3, bucket, f"labels/{build_adjudicated(0).case.case_id}/broken.json", b"[]")
    put(s3, bucket, "labels/nobody/1.json", b"{}")


def test_a_bucket_with_broken_objects_is_estimated(
    seaweedfs: S3ForTests, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(seaweedfs, bucket)
    options = ["--by", "source", "--out", str(tmp_path / "out"), "--textfile", str(tmp_path / "zoomin.prom")]
    assert main(["estimate", f"s3://{bucket}", *options, "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    report: Json = json.loads(last)
    estimates = report["estimates"]
    assert estimates["cases"] | {"response_rate": None} == {
        "sampled": CASES + 1,
        "agreed": CASES,
        "pending": 1,
        "disputed": 0,
        "unsure": 0,
        "response_rate": None,
    }
    accuracy = estimates["quantities"]["accuracy"]
    # The pending case is of the source without errors, and drawn with half the probability of the others.
    assert accuracy["value"] == pytest.approx((320 * 1.0 + 300 * 0.8) / 620, abs=1e-4)
    assert accuracy["low"] < 0.9 < accuracy["high"]
    assert estimates["left_out"] == {
        "case_unreadable": 2,
        "label_unreadable": 1,
        "label_without_case": 1,
        "review": 1,
        "image_deleted": 1,
    }
    assert estimates["left_out_examples"]["label_without_case"] == ["labels/nobody/1.json"]
    assert list(estimates["groups"]["source"]) == ["app", "web"]
    assert any(line.startswith("Accuracy") for line in text)
    assert 'aria-label="Reliability' in (tmp_path / "out" / "report.html").read_text()
    assert 'zoomin_estimate_value{group="all",quantity="accuracy"} 0.9032' in (tmp_path / "zoomin.prom").read_text()


def test_an_empty_bucket_and_a_missing_one_are_refused(
    bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", f"s3://{bucket}", "--out", str(tmp_path)]) == 2
    assert "no cases" in capsys.readouterr().err
    assert main(["estimate", "s3://nowhere-at-all", "--out", str(tmp_path)]) == 1
    assert "nowhere-at-all" in capsys.readouterr().err
