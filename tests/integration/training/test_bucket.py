"""Labeled cases of a real S3, from the labeling bucket to a finished set."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings, ImageMissing
from pipeline.verdict import Verdict
from pipeline.wire.labels import Label, LabelCase, LabelEvent, LabelImage, LabelOrigin, LabelVerdict
from tests.support.builders import build_noise
from tests.support.labels import build_label, leave_tombstone
from tests.support.servers.services import S3ForTests
from tests.support.verdicts import build_verdict
from training.__main__ import main
from training.dataset import left_out, manifest
from training.labeling.bucket import LabelingBucket, Unreadable, open_labeling_bucket
from training.labeling.cases import index_cases
from training.labeling.download import download_cases
from training.settings import TrainSettings

EXPLANATION = "The grain of this image is that of a sensor."


@pytest.fixture
def place(seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelingBucket]:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    settings = TrainSettings(s3_endpoint_url=seaweedfs.endpoint_url, s3_region=seaweedfs.region)
    with open_labeling_bucket(f"s3://{seaweedfs.create_bucket('labels')}", settings) as bucket:
        yield bucket


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
    directory = download_cases(place, tmp_path / "cases")
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


def test_labels_beside_the_cases_decide_and_old_buckets_are_read_on(
    seaweedfs: S3ForTests, place: LabelingBucket, tmp_path: Path
) -> None:
    for number, label in enumerate([None, None, None, Label(verdict=Verdict.REAL), None]):
        put_case(seaweedfs, place.name, number, label)
    cases = [place.read_case(key) for key in place.list_case_keys()]
    agreed, disputed, unsure, corrected, deleted = (case for case in cases if isinstance(case, LabelCase))
    for label in [
        build_label(agreed, verdict=LabelVerdict.GENERATED, boxes=[(1, 2, 30, 40)], explanation=EXPLANATION),
        build_label(disputed, verdict=LabelVerdict.GENERATED, annotator="a"),
        build_label(disputed, verdict=LabelVerdict.REAL, annotator="b"),
        build_label(unsure, verdict=LabelVerdict.UNSURE),
        build_label(
            corrected, verdict=LabelVerdict.GENERATED, annotator="unknown", minute=9, origin=LabelOrigin.IMPORT
        ),
        build_label(deleted, verdict=LabelVerdict.REAL),
    ]:
        assert place.put_label(label)
        assert not place.put_label(label), "a label is written once"
    leave_tombstone(place, deleted)
    entries = {image.file: image for image in manifest.read_manifest(download_cases(place, tmp_path / "cases"))}
    assert {file: image.label for file, image in entries.items()} == {
        "case-0.png": Verdict.GENERATED,
        "case-3.png": Verdict.GENERATED,
    }
    assert entries["case-0.png"].boxes == [(1, 2, 30, 40)]
    assert left_out.count_reasons(left_out.read_left_out(tmp_path / "cases")) == {
        "case_disputed": 1,
        "case_unsure": 1,
        "image_deleted": 1,
    }


def test_marks_are_kept_and_labels_without_a_case_are_found(seaweedfs: S3ForTests, place: LabelingBucket) -> None:
    assert place.read_mark("pull") == {}
    place.write_mark("pull", {"since": "2026-01-01"})
    assert place.read_mark("pull") == {"since": "2026-01-01"}
    seaweedfs.client.put_object(Bucket=place.name, Key="marks/pull.json", Body=b"nonsense")
    assert place.read_mark("pull") == {}
    place.put_label(build_label())
    seaweedfs.client.put_object(Bucket=place.name, Key="labels/case-1/odd.json", Body=b'{"label_id": 1}')
    index = index_cases(place)
    assert sorted(index.orphans) == sorted(place.list_label_keys("case-1"))
    assert {type(place.read_label(key)) for key in index.orphans} == {LabelEvent, Unreadable}


def test_no_cases_and_no_bucket_are_told(place: LabelingBucket, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no cases in"):
        download_cases(place, tmp_path)
    with pytest.raises(ImageMissing, match="NoSuchBucket"):
        download_cases(replace(place, name="none-such"), tmp_path)
