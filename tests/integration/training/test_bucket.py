"""Labeled cases of a real S3, from the labeling bucket to a finished set."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings, ImageMissing
from pipeline.verdict import Verdict
from pipeline.wire.messages import Label, LabelCase, LabelImage
from tests.support.builders import build_noise
from tests.support.servers.services import S3ForTests
from tests.support.verdicts import build_verdict
from training.__main__ import main
from training.dataset import left_out, manifest
from training.labeling import bucket
from training.labeling.bucket import LabelingBucket

EXPLANATION = "The grain of this image is that of a sensor."


@pytest.fixture
def place(seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> LabelingBucket:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    return LabelingBucket(seaweedfs.create_bucket("labels"), seaweedfs.endpoint_url, seaweedfs.region)


def put_case(s3: S3ForTests, name: str, number: int, label: Label | None, *, picture: bool = True) -> str:
    """A case as the worker writes it and annotators label it; returns its key."""
    case = LabelCase(
        case_id=f"case-{number}",
        event_id=f"event-{number}",
        image=LabelImage(
            object_key=f"images/{number}.png",
            bucket="uploads",
            key=f"{number}.jpg",
            etag=None,
            version_id=None,
            sha256=f"{number:064x}",
            width_px=300,
            height_px=200,
        ),
        reasons=["control"],
        inclusion_probability=0.5,
        blind=False,
        verdict_event=build_verdict(source="web"),
        state="labeled" if label else "pending",
        label=label,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    if picture:
        pixels = build_noise(300, 200, seed=number)
        s3.client.put_object(Bucket=name, Key=case.image.object_key, Body=images.encode_png(pixels))
    key = f"cases/2026/01/01/case-{number}.json"
    s3.client.put_object(Bucket=name, Key=key, Body=case.model_dump_json().encode())
    return key


def test_labeled_cases_become_a_manifest_and_the_others_have_their_reasons(
    seaweedfs: S3ForTests, place: LabelingBucket, tmp_path: Path
) -> None:
    put_case(
        seaweedfs, place.name, 1, Label(verdict=Verdict.GENERATED, boxes=[(10, 20, 60, 90)], explanation=EXPLANATION)
    )
    put_case(seaweedfs, place.name, 2, None)
    put_case(seaweedfs, place.name, 3, Label(verdict=Verdict.REAL), picture=False)
    seaweedfs.client.put_object(Bucket=place.name, Key="cases/odd.json", Body=b'{"schema_version": 9}')
    directory = bucket.download_cases(place, tmp_path / "cases")
    (entry,) = manifest.read_manifest(directory)
    assert (entry.label, entry.boxes, entry.source) == (Verdict.GENERATED, [(10, 20, 60, 90)], "web")
    assert entry.explanations is not None
    assert entry.explanations.check == EXPLANATION
    image = decode((directory / entry.file).read_bytes(), max_pixels=10**6)
    assert images.digest_pixels(image.pixels) == images.digest_pixels(build_noise(300, 200, seed=1))
    assert left_out.count_reasons(left_out.read_left_out(directory)) == {
        "case_pending": 1,
        "image_missing": 1,
        "case_unreadable": 1,
    }


def test_the_command_builds_from_the_bucket(
    seaweedfs: S3ForTests,
    place: LabelingBucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(9):
        put_case(seaweedfs, place.name, number, Label(verdict=list(Verdict)[number % 2]) if number else None)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_ENDPOINT_URL", seaweedfs.endpoint_url)
    command = ["build", f"s3://{place.name}", "--out", str(tmp_path), "--labels-only", "--least", "4", "--json"]
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["figures"]["whole"]["images"], figures["left_out"]) == (8, {"case_pending": 1})
    assert {one.source for one in manifest.read_manifest(tmp_path)} == {"web"}
    seaweedfs.client.delete_object(Bucket=place.name, Key="images/1.png")
    assert main(command) == 0, "what was fetched is not fetched again"


def test_no_cases_and_no_bucket_are_told(place: LabelingBucket, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no cases in"):
        bucket.download_cases(place, tmp_path)
    with pytest.raises(ImageMissing, match="NoSuchBucket"):
        bucket.download_cases(LabelingBucket("none-such", place.endpoint_url, place.region), tmp_path)
