"""Cases with their labels out of a bucket in which not everything is as our own commands write it."""

from datetime import UTC, datetime

import pytest

from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin, LabelVerdict, build_case_key, build_label_key
from tests.support.labels import build_case, build_label
from tests.support.memory_s3 import MemoryS3
from tests.support.verdicts import build_verdict
from training.labeling.adjudication import LabelState, adjudicate
from training.labeling.bucket import LabelingBucket, Unreadable
from training.labeling.cases import AdjudicatedCase, index_cases, read_cases

REAL, GENERATED = LabelVerdict.REAL, LabelVerdict.GENERATED
FIRST_DAY, NEXT_DAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def bucket(s3: MemoryS3) -> LabelingBucket:
    return LabelingBucket("labels", s3.client)


def put_case(s3: MemoryS3, case: LabelCase, *, day: datetime = FIRST_DAY, name: str = "") -> str:
    key = build_case_key(name or case.case_id, day)
    s3.objects[key] = case.model_dump_json().encode()
    return key


def put_label(s3: MemoryS3, label: LabelEvent, *, case_id: str = "") -> str:
    key = build_label_key(case_id or label.case_id, label.label_id)
    s3.objects[key] = label.model_dump_json().encode()
    return key


def read_all(bucket: LabelingBucket) -> list[AdjudicatedCase | Unreadable]:
    return list(read_cases(bucket, index_cases(bucket)))


def test_a_case_has_the_adjudication_of_its_labels(s3: MemoryS3, bucket: LabelingBucket) -> None:
    case = build_case(build_verdict())
    put_case(s3, case)
    labels = [build_label(case, verdict=REAL, annotator=name, minute=n) for n, name in enumerate("ab")]
    for label in labels:
        put_label(s3, label)
    assert read_all(bucket) == [AdjudicatedCase(case, adjudicate(labels))]


def test_a_case_under_the_name_of_another_is_unreadable(s3: MemoryS3, bucket: LabelingBucket) -> None:
    case, other = (build_case(build_verdict(event_id=name)) for name in "ab")
    put_case(s3, case)
    put_label(s3, build_label(case, verdict=REAL))
    copied = put_case(s3, case, name=other.case_id)
    put_label(s3, build_label(other, verdict=GENERATED))
    found = {found.key if isinstance(found, Unreadable) else found.case.case_id: found for found in read_all(bucket)}
    assert set(found) == {case.case_id, copied}
    assert "case_id" in found[copied].detail


@pytest.mark.parametrize("field", ["case_id", "image_sha256"])
def test_a_label_of_another_case_or_image_does_not_count(s3: MemoryS3, bucket: LabelingBucket, field: str) -> None:
    case = build_case(build_verdict())
    put_case(s3, case)
    strange = build_label(case, verdict=GENERATED, annotator="b").model_copy(update={field: "another"})
    key = put_label(s3, strange, case_id=case.case_id)
    (found,) = read_all(bucket)
    assert isinstance(found, AdjudicatedCase)
    assert found.adjudication.state is LabelState.PENDING
    assert [(label.key, label.detail.partition(":")[0]) for label in found.unreadable] == [(key, field)]


@pytest.mark.parametrize("model", ["case", "label"])
def test_a_time_without_its_zone_is_unreadable_and_ends_no_command(
    s3: MemoryS3, bucket: LabelingBucket, model: str
) -> None:
    case = build_case(build_verdict())
    keys = {"case": put_case(s3, case), "label": put_label(s3, build_label(case, annotator="a"))}
    put_label(s3, build_label(case, annotator="b", minute=1))
    key = keys[model]
    s3.objects[key] = s3.objects[key].replace(b'"created_at":"2026-01-01T00:00:00.000Z"', b'"created_at":"2026-01-01"')
    (found,) = read_all(bucket)
    unreadable = [found] if isinstance(found, Unreadable) else list(found.unreadable)
    assert [(each.key, each.detail.partition(":")[0]) for each in unreadable] == [(key, "created_at")]


def test_an_event_that_came_again_on_another_day_keeps_its_first_case(s3: MemoryS3, bucket: LabelingBucket) -> None:
    """Its verdict has the same id, so both cases have: what a snapshot read of the first one stays true."""
    case = build_case(build_verdict())
    first = put_case(s3, case)
    put_case(s3, case, day=NEXT_DAY)
    assert index_cases(bucket).cases == {case.case_id: first}


def test_reviews_decide_nothing_for_estimates(s3: MemoryS3, bucket: LabelingBucket) -> None:
    case = build_case(build_verdict())
    put_case(s3, case)
    put_label(s3, build_label(case, verdict=REAL, annotator="moderator", origin=LabelOrigin.REVIEW))
    (found,) = read_all(bucket)
    assert isinstance(found, AdjudicatedCase)
    assert (found.adjudication.state, found.of_annotators.state) == (LabelState.AGREED, LabelState.PENDING)
