from datetime import timedelta

import pytest

from pipeline.errors import AccessDenied, BadSettings
from pipeline.wire.labels import LabelOrigin, LabelVerdict, build_image_key
from tests.support.labeling_place import SETTINGS, LabelingPlace
from tests.support.labels import START, build_label, leave_tombstone
from tests.unit.training.label_studio.conftest import AddCases
from training.errors import LabelStudioUnavailable
from training.label_studio.push import PushResult, draw_double
from training.label_studio.queue import PushPolicy

REAL, GENERATED = LabelVerdict.REAL, LabelVerdict.GENERATED


def test_pending_cases_are_sent_once(place: LabelingPlace, add_cases: AddCases) -> None:
    cases = add_cases("a", "b", "c")
    place.put_label(build_label(cases[2]))
    first = place.push()
    assert (first.sent, first.known) == ({"control": 2}, 0)
    again = place.push()
    assert (again.sent, again.known) == ({}, 2)
    assert place.list_sent() == [case.case_id for case in cases[:2]]
    assert len(place.server.storages) == 1
    assert place.server.projects[0]["maximum_annotations"] == 1


def test_control_comes_first_and_quotas_are_of_what_is_open(place: LabelingPlace, add_cases: AddCases) -> None:
    add_cases("c1", "c2", "c3", reasons=("corrected",))
    control = add_cases("k1", "k2", "k3", reasons=("low_confidence", "control"))
    place.push(PushPolicy(limit=2))
    assert place.list_sent() == [case.case_id for case in control[:2]]
    policy = PushPolicy(quotas={"control": 2, "corrected": 1})
    result = place.push(policy)
    assert (result.sent, result.waiting) == ({"corrected": 1}, 3), "two control cases are open already"
    assert place.push(policy).sent == {}
    place.put_label(build_label(control[0]))
    assert place.push(policy).sent == {"control": 1}
    assert place.push(PushPolicy(reasons=frozenset({"corrected"}))).sent == {"corrected": 2}


@pytest.mark.parametrize("requests", range(4, 12))
def test_a_push_that_ended_in_the_middle_goes_on(
    place: LabelingPlace, add_cases: AddCases, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.label_studio.push.TASKS_A_REQUEST", 2)
    cases = add_cases(*"abcdefg")
    settings = SETTINGS.model_copy(update={"labels_double_fraction": 1.0})
    place.server.fail_after = requests
    cut = PushResult()
    with pytest.raises(LabelStudioUnavailable, match="cannot be reached"):
        place.push(settings=settings, result=cut)
    assert cut.sent.total() == len(place.list_sent()), "what was sent is counted"
    place.server.fail_after = None
    place.push(settings=settings)
    assert sorted(place.list_sent()) == sorted(case.case_id for case in cases)
    assert {task.overlap for task in place.server.tasks.values()} == {2}


def test_a_request_that_was_carried_out_and_not_confirmed_leaves_no_double(
    place: LabelingPlace, add_cases: AddCases
) -> None:
    case, *_ = add_cases("a", "b")
    place.push()
    for task in list(place.server.tasks.values()):
        with place.server.connect() as other:
            other.post(f"/api/projects/{task.project}/import", json=[{"data": task.data}])
    place.annotate(case)
    result = place.push()
    assert result.repeated_tasks == 2
    assert sorted(place.list_sent()) == sorted(["verdict-of-a", "verdict-of-b"])
    assert sum(len(task.annotations) for task in place.server.tasks.values()) == 1


def test_tasks_of_deleted_images_are_deleted_and_not_sent_again(place: LabelingPlace, add_cases: AddCases) -> None:
    kept, gone = add_cases("a", "b")
    place.push()
    leave_tombstone(place.bucket, gone)
    result = place.push()
    assert (result.deleted_tasks, result.sent) == (1, {})
    assert place.list_sent() == [kept.case_id]


def test_a_drawn_case_that_a_review_decided_still_goes_to_an_annotator(
    place: LabelingPlace, add_cases: AddCases
) -> None:
    """Estimates take no review, and an appealed case is mostly a wrong verdict: unseen, it would flatter the model."""
    drawn, other = add_cases("drawn", "labeled")
    reviewed = add_cases("reviewed", reasons=("review",))[0]
    place.put_case(reviewed.model_copy(update={"inclusion_probability": 0.0}))
    for case in (drawn, reviewed):
        place.put_label(build_label(case, annotator="moderator", origin=LabelOrigin.REVIEW))
    place.put_label(build_label(other))
    assert place.push().sent == {"control": 1}
    assert place.list_sent() == [drawn.case_id]


def test_a_disputed_case_gets_a_third_annotator(place: LabelingPlace, add_cases: AddCases) -> None:
    disputed, agreed, reviewed = add_cases("a", "b", "c")
    place.push()
    for case, second in ((disputed, REAL), (agreed, GENERATED)):
        place.put_label(build_label(case, verdict=GENERATED, annotator="1"))
        place.put_label(build_label(case, verdict=second, annotator="2", minute=1))
    result = place.push()
    overlaps = {str(task.data["case_id"]): task.overlap for task in place.server.tasks.values()}
    assert (result.overlap_raised, overlaps) == (1, {disputed.case_id: 3, agreed.case_id: 1, reviewed.case_id: 1})


def test_the_share_of_double_labels_is_drawn_by_hash() -> None:
    drawn = [draw_double(f"case-{number}", 0.1, b"salt") for number in range(5000)]
    assert 0.08 < sum(drawn) / len(drawn) < 0.12
    assert drawn == [draw_double(f"case-{number}", 0.1, b"salt") for number in range(5000)]
    assert drawn != [draw_double(f"case-{number}", 0.1, b"other") for number in range(5000)]


def test_cases_that_cannot_be_shown_are_counted_and_the_others_sent(place: LabelingPlace, add_cases: AddCases) -> None:
    good, odd, refused = add_cases("a", "b", "r")
    place.s3.objects["cases/2026/01/01/broken.json"] = b"{"
    place.put_case(odd.model_copy(update={"image": odd.image.model_copy(update={"object_key": "cases/x"})}))
    key = next(key for key in place.s3.objects if refused.case_id in key)
    place.s3.objects["cases/2026/01/01/refused.json"] = place.s3.objects.pop(key).replace(
        f'"case_id":"{refused.case_id}"'.encode(), b'"case_id":"refused"'
    )
    result = place.push()
    assert result.sent == {"control": 1}
    assert place.list_sent() == [good.case_id]
    assert {problem.key: problem.detail.partition(":")[0] for problem in result.refused} == {
        "cases/2026/01/01/broken.json": "Invalid JSON",
        f"cases/2026/01/01/{odd.case_id}.json": "image.object_key",
        "cases/2026/01/01/refused.json": "Label Studio refuses /api/projects/1/import (400)",
    }


def test_another_page_is_refused_with_the_cure(place: LabelingPlace, add_cases: AddCases) -> None:
    add_cases("a")
    place.push()
    place.server.projects[0]["label_config"] = "<View/>"
    with pytest.raises(BadSettings, match=r"is not that of this version.*set ZOOMIN_TRAIN_LABELS_PROJECT"):
        place.push()


def test_a_bucket_that_refuses_writes_sends_nothing(place: LabelingPlace, add_cases: AddCases) -> None:
    add_cases("a")
    place.s3.refuse_writes = ("marks/",)
    with pytest.raises(AccessDenied, match=r"marks/labels-push-lease\.json"):
        place.push()
    assert place.server.requests == []
    place.s3.refuse_writes = ()
    assert place.push().sent == {"control": 1}


def test_a_task_that_somebody_else_made_is_left_alone(place: LabelingPlace, add_cases: AddCases) -> None:
    add_cases("a")
    place.push()
    with place.server.connect() as other:
        for _ in range(2):
            other.post("/api/projects/1/import", json=[{"data": {"image": "s3://elsewhere/cat.png"}}])
    result = place.push()
    assert (result.repeated_tasks, result.deleted_tasks, len(place.server.tasks)) == (0, 0, 3)


def test_the_oldest_case_of_a_reason_is_sent_first(place: LabelingPlace, add_cases: AddCases) -> None:
    late, early = add_cases("a", "b")
    place.put_case(late.model_copy(update={"created_at": START + timedelta(days=1)}))
    place.push(PushPolicy(limit=1))
    assert place.list_sent() == [early.case_id]
    assert place.server.tasks[min(place.server.tasks)].data["image"] == (
        f"s3://labels/{build_image_key(early.image.sha256)}"
    )
