from tests.support.labeling_place import LabelingPlace
from tests.support.labels import START
from training.label_studio.annotations import RefusalReason
from training.label_studio.marks import MOST_REFUSED, PullMark, Refusal, merge_refused, read_marks, write_mark


def refuse(annotation: int) -> Refusal:
    return Refusal(reason=RefusalReason.ROTATED, case_id="case", annotation=annotation, url="http://ls", detail="")


def test_each_project_has_its_mark(place: LabelingPlace) -> None:
    assert read_marks(place.bucket).projects == {}
    first, second = PullMark(since=START, refused=[refuse(1)]), PullMark()
    write_mark(place.bucket, "http://ls/projects/1/data", first)
    write_mark(place.bucket, "http://ls/projects/2/data", second)
    assert list(read_marks(place.bucket).projects.values()) == [first, second]


def test_a_broken_mark_is_none(place: LabelingPlace) -> None:
    for body in (b"nonsense", b"[]", b'{"projects": 3}', b'{"projects": {"a": {"since": "yesterday"}}}'):
        place.s3.objects["marks/pull.json"] = body
        assert read_marks(place.bucket).projects == {}


def test_a_refusal_holds_until_its_annotation_is_seen_again() -> None:
    assert merge_refused([refuse(1), refuse(2)], frozenset({2, 3}), [refuse(3)]) == [refuse(1), refuse(3)]
    many = [refuse(number) for number in range(MOST_REFUSED + 5)]
    assert merge_refused(many, frozenset(), []) == many[5:]
