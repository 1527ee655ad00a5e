from datetime import UTC, datetime

import pytest

from pipeline.errors import StoreUnavailable
from pipeline.labeling.erasure import erase_image, read_tombstone, write_tombstone
from tests.support.memory_s3 import MemoryS3

BUCKET, SHA256 = "labels", "a" * 64
NOW, LATER = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
CASES = ["cases/2026/01/01/one.json", "cases/2026/01/02/two.json"]
OTHERS = [f"images/{'b' * 64}.png", "cases/2026/01/01/other.json", "labels/other/1.json", "labels/one-more/1.json"]
OWN = [f"images/{SHA256}.png", *CASES, "labels/one/1.json", "labels/one/2.json", "labels/two/1.json"]


@pytest.fixture
def s3() -> MemoryS3:
    s3 = MemoryS3()
    s3.objects = dict.fromkeys([*OWN, *OTHERS], b"{}")
    return s3


def test_everything_of_the_image_goes_and_nothing_else(s3: MemoryS3) -> None:
    deleted = erase_image(s3.client, BUCKET, SHA256, CASES, now=NOW)
    assert sorted(deleted) == sorted(OWN)
    assert sorted(s3.objects) == sorted([*OTHERS, f"deleted/{SHA256}.json"])
    tombstone = read_tombstone(s3.client, BUCKET, SHA256)
    assert tombstone is not None
    assert (tombstone.case_ids, tombstone.deleted_at) == (["one", "two"], NOW)


def test_a_second_erasure_keeps_the_tombstone_and_takes_what_has_come_since(s3: MemoryS3) -> None:
    erase_image(s3.client, BUCKET, SHA256, CASES, now=NOW)
    late = "cases/2026/01/09/three.json"
    s3.objects |= dict.fromkeys([late, "labels/three/1.json", "labels/one/late.json"], b"{}")
    erase_image(s3.client, BUCKET, SHA256, [late], now=LATER)
    assert sorted(s3.objects) == sorted([*OTHERS, f"deleted/{SHA256}.json"])
    tombstone = read_tombstone(s3.client, BUCKET, SHA256)
    assert tombstone is not None
    assert (tombstone.case_ids, tombstone.deleted_at) == (["one", "three", "two"], NOW)


@pytest.mark.parametrize("refused", ["images/", "labels/", "cases/"])
def test_an_erasure_that_ends_in_the_middle_leaves_the_tombstone_and_the_cases(s3: MemoryS3, refused: str) -> None:
    s3.refuse_writes = (refused,)
    with pytest.raises(StoreUnavailable):
        erase_image(s3.client, BUCKET, SHA256, CASES, now=NOW)
    assert f"deleted/{SHA256}.json" in s3.objects
    assert set(CASES) <= s3.objects.keys()
    s3.refuse_writes = ()
    erase_image(s3.client, BUCKET, SHA256, CASES, now=LATER)
    assert sorted(s3.objects) == sorted([*OTHERS, f"deleted/{SHA256}.json"])


def test_nothing_is_deleted_without_a_tombstone(s3: MemoryS3) -> None:
    s3.refuse_writes = ("deleted/",)
    with pytest.raises(StoreUnavailable):
        erase_image(s3.client, BUCKET, SHA256, CASES, now=NOW)
    assert sorted(s3.objects) == sorted([*OWN, *OTHERS])


def test_a_broken_tombstone_is_written_anew(s3: MemoryS3) -> None:
    s3.objects[f"deleted/{SHA256}.json"] = b"{"
    assert write_tombstone(s3.client, BUCKET, SHA256, CASES, now=NOW).case_ids == ["one", "two"]
