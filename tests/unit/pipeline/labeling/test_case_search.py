from datetime import date

import pytest

from pipeline.labeling.case_search import Selection, find_cases
from pipeline.wire.labels import build_case_key
from pipeline.wire.messages import VerdictEvent
from tests.support.labels import build_case
from tests.support.memory_s3 import MemoryS3
from tests.support.verdicts import build_verdict

BUCKET = "labels"


def build_event(name: str, *, key: str, sha256: str) -> VerdictEvent:
    event = build_verdict(event_id=name, bucket="uploads", key=key)
    return event.model_copy(update={"image": event.image.model_copy(update={"sha256": sha256})})


def put_case(s3: MemoryS3, name: str, *, key: str, sha256: str, day: int = 1) -> str:
    case = build_case(build_event(name, key=key, sha256=sha256))
    case_key = build_case_key(case.case_id, date(2026, 1, day))
    s3.objects[case_key] = case.model_dump_json().encode()
    return case_key


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


def test_a_case_that_is_deleted_while_others_are_read_is_no_broken_one(s3: MemoryS3) -> None:
    class Racing(MemoryS3):
        def get_object(self, **fields: str) -> dict[str, object]:
            self.objects.pop(gone, None)
            return super().get_object(**fields)

    gone = put_case(s3, "a", key="a.png", sha256="1" * 64)
    put_case(s3, "b", key="b.png", sha256="2" * 64)
    s3.__class__ = Racing
    assert find_cases(s3.client, BUCKET, Selection()).unreadable == []


def test_keys_that_were_read_before_are_left_out(s3: MemoryS3) -> None:
    put_case(s3, "a", key="a.png", sha256="1" * 64)
    selection = Selection(sha256s=frozenset({"1" * 64}))
    searched = find_cases(s3.client, BUCKET, selection).searched
    late = put_case(s3, "late", key="late.png", sha256="1" * 64)
    assert find_cases(s3.client, BUCKET, selection, besides=searched).by_image == {"1" * 64: [late]}


@pytest.mark.parametrize(
    "selection",
    [
        Selection(event_ids=frozenset({"a"})),
        Selection(objects=frozenset({("uploads", "b.png")})),
        Selection(sha256s=frozenset({"1" * 64})),
    ],
    ids=["event", "object", "digest"],
)
def test_all_cases_of_an_image_are_found_by_any_of_its_names(s3: MemoryS3, selection: Selection) -> None:
    keys = [
        put_case(s3, "a", key="a.png", sha256="1" * 64, day=2),
        put_case(s3, "again", key="b.png", sha256="1" * 64, day=1),
    ]
    put_case(s3, "other", key="c.png", sha256="2" * 64)
    assert find_cases(s3.client, BUCKET, selection).by_image == {"1" * 64: sorted(keys)}


def test_a_digest_without_cases_is_selected_all_the_same(s3: MemoryS3) -> None:
    assert find_cases(s3.client, BUCKET, Selection(sha256s=frozenset({"3" * 64}))).by_image == {"3" * 64: []}


def test_the_day_given_is_the_last_that_is_read(s3: MemoryS3) -> None:
    early = put_case(s3, "a", key="a.png", sha256="1" * 64, day=2)
    put_case(s3, "later", key="a.png", sha256="1" * 64, day=3)
    found = find_cases(s3.client, BUCKET, Selection(sha256s=frozenset({"1" * 64})), until=date(2026, 1, 2))
    assert found.by_image == {"1" * 64: [early]}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event_id": 1, "image": []}', b"[" * 100_000])
def test_an_object_that_is_no_case_is_reported(s3: MemoryS3, body: bytes) -> None:
    s3.objects["cases/2026/01/01/foreign.json"] = body
    assert find_cases(s3.client, BUCKET, Selection()).unreadable == ["cases/2026/01/01/foreign.json"]


def test_more_cases_than_are_read_at_once_are_all_searched(s3: MemoryS3) -> None:
    keys = [put_case(s3, f"event-{n:03}", key=f"{n}.png", sha256=f"{n % 2}" * 64) for n in range(100)]
    found = find_cases(s3.client, BUCKET, Selection(event_ids=frozenset({"event-001"})))
    assert found.by_image == {"1" * 64: keys[1::2]}
