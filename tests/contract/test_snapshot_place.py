"""One suite for every place of snapshots: a directory, and a prefix of a bucket on a real S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import BadSettings, ImageMissing
from tests.support.servers.services import S3ForTests
from training.settings import TrainSettings
from training.snapshot.place import SUMMARY, SnapshotPlace, open_place

DIGESTS = ("a" * 64, "b" * 64)


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SnapshotPlace]:
    if request.param == "directory":
        with open_place(str(tmp_path / "sets"), TrainSettings()) as opened:
            yield opened
        return
    s3: S3ForTests = request.getfixturevalue("seaweedfs")
    for name, value in s3.credentials.items():
        monkeypatch.setenv(name, value)
    settings = TrainSettings(s3_endpoint_url=s3.endpoint_url, s3_region=s3.region)
    with open_place(f"s3://{s3.create_bucket('sets')}/night", settings) as opened:
        yield opened


def test_images_are_listed_and_read_by_their_digests(place: SnapshotPlace) -> None:
    assert list(place.list_images()) == []
    for digest in DIGESTS:
        place.put_image(digest, digest.encode())
    assert sorted(place.list_images()) == sorted(DIGESTS)
    assert place.read_image(DIGESTS[1]) == DIGESTS[1].encode()


def test_a_snapshot_is_complete_with_its_summary_and_no_file_is_written_over(
    place: SnapshotPlace, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("first")
    place.put_file(DIGESTS[0], "manifest.jsonl", source)
    assert not place.is_complete(DIGESTS[0])
    assert place.list_snapshots() == []
    place.put_file(DIGESTS[0], SUMMARY, source)
    source.write_text("second")
    place.put_file(DIGESTS[0], "manifest.jsonl", source)
    place.read_file(DIGESTS[0], "manifest.jsonl", target)
    assert target.read_text() == "first"
    assert place.is_complete(DIGESTS[0])
    assert place.list_snapshots() == [DIGESTS[0]]
    with pytest.raises(ImageMissing):
        place.read_file(DIGESTS[1], SUMMARY, target)


def test_the_newest_snapshot_is_known(place: SnapshotPlace, tmp_path: Path) -> None:
    assert place.read_newest() is None
    (tmp_path / "source").write_text("{}")
    for digest, before in zip(DIGESTS, (None, DIGESTS[0]), strict=True):
        place.put_file(digest, SUMMARY, tmp_path / "source")
        assert place.write_newest(digest, after=before)
        assert place.read_newest() == digest
    assert place.locate(DIGESTS[0]).endswith(f"/{DIGESTS[0]}")


def test_a_snapshot_that_was_overtaken_is_not_the_newest(place: SnapshotPlace) -> None:
    (first, second), third = DIGESTS, "c" * 64
    place.put_image(first, b"png")
    assert place.write_newest(first, after=None)
    assert not place.write_newest(second, after=None)
    assert place.write_newest(first, after=None), "the same snapshot, made by two"
    assert not place.write_newest(third, after=second)
    assert place.read_newest() == first


def test_a_bucket_alone_is_no_place() -> None:
    with pytest.raises(BadSettings, match="it is written s3://bucket/name"), open_place("s3://sets", TrainSettings()):
        raise AssertionError("it is refused")


def test_what_a_killed_fetch_leaves_is_no_snapshot(tmp_path: Path) -> None:
    with open_place(str(tmp_path), TrainSettings()) as place:
        for name in (DIGESTS[0], f".{DIGESTS[1]}.part"):
            (tmp_path / name).mkdir()
            (tmp_path / name / SUMMARY).write_text("{}")
        assert place.list_snapshots() == [DIGESTS[0]]
