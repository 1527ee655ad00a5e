"""Snapshots of a labeling bucket on a real S3, through the command line."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelVerdict
from tests.support.builders import build_noise
from tests.support.labels import build_label, leave_tombstone
from tests.support.servers.services import S3ForTests, eventually
from tests.support.snapshots import FIRST_OF_BASE, SIZE_PX, label_case, put_case, put_labeled_case, write_base
from training.__main__ import main
from training.dataset import faults, left_out, manifest, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.errors import LeaseHeld
from training.labeling.bucket import LabelingBucket, open_labeling_bucket
from training.settings import TrainSettings
from training.snapshot.holders import find_holders
from training.snapshot.place import SUMMARY, DirectoryPlace, open_place
from training.snapshot.snapshot import SnapshotPlan, make_snapshot

CASES = 24


@pytest.fixture
def settings(seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TrainSettings:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_ENDPOINT_URL", seaweedfs.endpoint_url)
    monkeypatch.setenv("ZOOMIN_TRAIN_CACHE", str(tmp_path / "cache"))
    return TrainSettings()


@pytest.fixture
def labels(seaweedfs: S3ForTests, settings: TrainSettings) -> Iterator[LabelingBucket]:
    with open_labeling_bucket(f"s3://{seaweedfs.create_bucket('labels')}", settings) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("snapshots") / "base", 60)


Take = Callable[..., dict[str, Any]]


@pytest.fixture
def take(labels: LabelingBucket, base: Path, capsys: pytest.CaptureFixture[str]) -> Take:
    """Take a snapshot into a place and return its result."""

    def run(out: str | Path, *options: str) -> dict[str, Any]:
        command = ["snapshot", f"s3://{labels.name}", "--base", str(base), "--out", str(out), "--least", "2", *options]
        assert main([*command, "--json"]) == 0
        result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return result

    return run


def read_cases(snapshot: dict[str, Any]) -> dict[str, LabeledImage]:
    return {row.case.case_id: row for row in manifest.read_manifest(Path(snapshot["path"])) if row.case}


def test_a_snapshot_is_a_set_that_stays_and_the_next_one_reads_and_stores_what_is_new(
    labels: LabelingBucket, take: Take, tmp_path: Path, base: Path
) -> None:
    for number in range(CASES):
        put_labeled_case(labels, number)
    first = take(tmp_path / "sets")
    rows = list(manifest.read_manifest(Path(first["path"])))
    assert (first["cases"], first["cases_read"], first["images_stored"]) == (CASES, CASES, len(rows))
    of_base = [row for row in rows if row.case is None]
    assert Counter(row.split for row in of_base) == Counter(
        row.split for row in rows if row.case and row.split is not Split.GOLDEN
    )
    assert manifest.is_built(rows)
    for row in rows:
        data = (Path(first["path"]) / row.file).read_bytes()
        assert row.require_provenance().sha256 in row.file
        assert data.startswith(b"\x89PNG")
    assert {case.weight for case in read_cases(first).values() if case.split is not Split.GOLDEN} == {4.0, 5.0}
    assert faults.refuse_unfit(Path(first["path"]), splits.read_split(Path(first["path"]), Split.TRAIN))

    again = take(tmp_path / "sets")
    assert (again["digest"], again["cases_read"], again["images_stored"], again["was_there"]) == (
        first["digest"],
        0,
        0,
        True,
    )
    assert take(tmp_path / "elsewhere")["digest"] == first["digest"]

    put_labeled_case(labels, CASES)
    put_labeled_case(labels, CASES + 1)
    second = take(tmp_path / "sets")
    assert (second["parent"], second["cases_read"], second["cases"]) == (first["digest"], 2, CASES + 2)
    assert second["images_stored"] == second["images"] - first["images"]
    before, after = read_cases(first), read_cases(second)
    assert {name: row.split for name, row in before.items()} == {name: after[name].split for name in before}


def test_what_cannot_be_used_is_left_out_with_its_reason(labels: LabelingBucket, take: Take, tmp_path: Path) -> None:
    for number in range(CASES):
        put_labeled_case(labels, number)
    cases = [put_case(labels, CASES + number) for number in range(8)]
    disputed, unsure, _pending, missing, deleted, broken, odd, of_base = cases
    for annotator, verdict in enumerate((LabelVerdict.REAL, LabelVerdict.GENERATED)):
        labels.put_label(build_label(disputed, verdict=verdict, annotator=str(annotator)))
    label_case(labels, unsure, LabelVerdict.UNSURE)
    for case in (missing, deleted, broken, odd, of_base):
        label_case(labels, case, LabelVerdict.REAL)
    labels.delete([missing.image.object_key])
    leave_tombstone(labels, deleted)
    labels.client.put_object(Bucket=labels.name, Key=broken.image.object_key, Body=b"no image")
    labels.client.put_object(Bucket=labels.name, Key=f"labels/{odd.case_id}/odd.json", Body=b'{"label_id": 1}')
    twin = put_case(labels, CASES + 9, picture=build_noise(*SIZE_PX, seed=FIRST_OF_BASE))
    label_case(labels, twin, LabelVerdict.REAL)
    snapshot = take(f"{tmp_path}/sets")
    assert snapshot["cases"] == CASES + 1
    assert snapshot["left_out"] == {
        "case_disputed": 1,
        "case_pending": 1,
        "case_unsure": 1,
        "image_deleted": 1,
        "image_missing": 1,
        "image_refused": 1,
        "label_unreadable": 1,
        "near_duplicate_of_base": 1,
    }
    listed = {one.name for one in left_out.read_left_out(Path(snapshot["path"]))}
    assert {disputed.case_id, deleted.case_id, twin.case_id} <= listed


def test_a_bucket_holds_snapshots_that_are_fetched_checked_and_found_by_image(
    seaweedfs: S3ForTests,
    labels: LabelingBucket,
    take: Take,
    tmp_path: Path,
    settings: TrainSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cases = [put_labeled_case(labels, number) for number in range(CASES)]
    sets = seaweedfs.create_bucket("sets")
    snapshot = take(f"s3://{sets}/night")
    assert snapshot["digest"] == take(tmp_path / "here")["digest"]
    assert take(f"s3://{sets}/night")["was_there"]
    fetch = ["snapshot", "--fetch", snapshot["path"], "--out", str(tmp_path / "fetched")]
    assert main(fetch) == 0
    fetched = tmp_path / "fetched" / snapshot["digest"]
    assert (fetched / manifest.NAME).read_bytes() == (
        tmp_path / "here" / snapshot["digest"] / manifest.NAME
    ).read_bytes()
    with open_place(f"s3://{sets}/night", settings) as place:
        (holder,) = find_holders(place, sha256s={cases[0].image.sha256})
        assert (holder.digest, holder.trained_on) == (snapshot["digest"], snapshot["trained_on"])
        assert not list(find_holders(place, case_ids={"no such case"}))
    assert not (settings.cache_directory / "snapshots").exists() or not list(
        (settings.cache_directory / "snapshots").iterdir()
    ), "nothing of the labeling bucket stays in the cache"

    row = next(manifest.read_manifest(fetched))
    seaweedfs.client.put_object(Bucket=sets, Key=f"night/{row.file}", Body=b"another image")
    fetch[-1] = str(tmp_path / "fetched-2")
    capsys.readouterr()
    assert main(fetch) == 2
    assert "was changed: its digest is another" in capsys.readouterr().err


def test_a_killed_snapshot_goes_on_where_it_was(
    labels: LabelingBucket, take: Take, tmp_path: Path, settings: TrainSettings, base: Path
) -> None:
    for number in range(CASES):
        put_labeled_case(labels, number)
    words = [f"s3://{labels.name}", "--base", str(base), "--out", str(tmp_path / "sets"), "--least", "2"]
    with subprocess.Popen([sys.executable, "-m", "training", "snapshot", *words]) as process:
        try:
            assert eventually(lambda: count_facts(settings.cache_directory) >= 3 or process.poll() is not None)
        finally:
            process.kill()
    resumed = take(tmp_path / "sets")
    assert resumed["cases_read"] < CASES
    assert resumed["cases"] == CASES
    assert resumed["digest"] == take(tmp_path / "elsewhere")["digest"]


def count_facts(cache: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in cache.glob("snapshots/*/facts.jsonl"))


class OvertakenPlace(DirectoryPlace):
    """A place in which another machine's snapshot is complete first."""

    def put_file(self, digest: str, name: str, source: Path) -> None:
        super().put_file(digest, name, source)
        if name == SUMMARY:
            super().write_newest("a" * 64, after=None)


def test_a_snapshot_that_another_machine_overtook_is_made_again(
    labels: LabelingBucket, base: Path, tmp_path: Path
) -> None:
    """Otherwise the splits that the other one drew would be lost to every later snapshot."""
    for number in range(CASES):
        put_labeled_case(labels, number)
    plan = SnapshotPlan(base, base_share=0.5, golden_fraction=None, predecessor=None, least_per_class=2)
    place = OvertakenPlace(tmp_path / "sets")
    with pytest.raises(LeaseHeld, match="run the same command again"):
        make_snapshot(labels, place, plan, tmp_path / "cache")
    assert place.read_newest() == "a" * 64


def test_bad_input_is_answered_in_one_sentence(
    seaweedfs: S3ForTests,
    labels: LabelingBucket,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*words: str) -> str:
        assert main(["snapshot", *words]) in (1, 2)
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error

    url, out = f"s3://{labels.name}", str(tmp_path / "sets")
    assert "no cases in" in fail(url, "--base", str(base), "--out", out)
    for number in range(0, 20, 2):
        put_labeled_case(labels, number)
    one_class = fail(url, "--base", str(base), "--out", out, "--base-share", "0", "--least", "1")
    assert "too few images to train on" in one_class
    assert "0 generated" in one_class
    (tmp_path / "folder").mkdir()
    assert "no manifest.jsonl" in fail(url, "--base", str(tmp_path / "folder"), "--out", out)
    manifest.write_manifest(tmp_path / "folder", [LabeledImage(file="a.png", label=Verdict.REAL)])
    assert "is no built set" in fail(url, "--base", str(tmp_path / "folder"), "--out", out)
    assert "no snapshot" in fail(url, "--base", str(base), "--out", out, "--predecessor", "0" * 64)
    assert "is written s3://bucket/name" in fail(url, "--base", str(base), "--out", "s3://none-such")
    assert "--base are needed" in fail(url, "--out", out)
    for number in range(1, 20, 2):
        put_labeled_case(labels, number)
    assert "none-such" in fail(url, "--base", str(base), "--out", "s3://none-such/night", "--least", "1")
