import dataclasses
from collections import Counter
from typing import cast

import httpx
import pytest
from pydantic import JsonValue

from pipeline.errors import AccessDenied, BadSettings
from pipeline.wire.labels import LabelVerdict
from tests.support.annotations import Result, build_box, build_result
from tests.support.fake_label_studio import FakeLabelStudio
from tests.support.labeling_place import LabelingPlace
from tests.support.labels import START, leave_tombstone
from tests.unit.training.label_studio.conftest import AddCases
from training.errors import LabelStudioUnavailable
from training.label_studio.annotations import RefusalReason
from training.label_studio.client import ANNOTATED_A_PAGE
from training.label_studio.marks import read_marks
from training.label_studio.pull import PullResult

BOX = (10, 20, 60, 90)


def count(result: PullResult) -> tuple[int, int, int, int]:
    return result.labels, result.known, result.skipped, len(result.refused)


def test_what_was_submitted_becomes_labels_once(place: LabelingPlace, add_cases: AddCases) -> None:
    shown, skipped, _untouched = add_cases("a", "b", "c")
    (blind,) = add_cases("d", blind=True)
    place.push()
    place.annotate(shown, build_result(verdict="real", boxes=[BOX], text="Grain."))
    place.annotate(skipped, cancelled=True)
    place.annotate(blind)
    assert count(place.pull()) == (2, 0, 1, 0)
    assert count(place.pull()) == (0, 2, 1, 0), "the last minutes are read again"
    by_case = {label.case_id: label for label in place.read_labels()}
    assert by_case.keys() == {shown.case_id, blind.case_id}
    label = by_case[shown.case_id]
    assert (label.verdict, label.boxes, label.explanation, label.blind) == (LabelVerdict.REAL, [BOX], "Grain.", False)
    assert (by_case[blind.case_id].blind, by_case[blind.case_id].boxes) == (True, [])


def test_each_change_is_a_label_that_names_the_former(place: LabelingPlace, add_cases: AddCases) -> None:
    (case,) = add_cases("a")
    place.push()
    annotation = place.annotate(case)
    place.annotate(case, build_result(verdict="unsure"), user=4)
    place.pull()
    place.change(annotation, build_result(verdict="real"))
    assert count(place.pull()) == (1, 1, 0, 0)
    first, other, second = place.read_labels()
    assert (first.supersedes, other.supersedes, second.supersedes) == (None, None, first.label_id)
    assert (first.annotator, second.annotator) == ("label_studio:3", "label_studio:3")
    assert second.verdict is LabelVerdict.REAL
    place.change(annotation, build_result(verdict="unsure"), user=9)
    place.pull()
    assert place.read_labels()[-1].annotator == "label_studio:9", "not in the name of another"


def test_only_what_changed_is_read_unless_all_is(place: LabelingPlace, add_cases: AddCases) -> None:
    early, late = add_cases("a", "b")
    place.push()
    place.annotate(early)
    for _ in range(400):  # seconds, more than the margin
        place.server._tick()
    place.annotate(late)
    assert count(place.pull()) == (2, 0, 0, 0)
    assert count(place.pull()) == (0, 1, 0, 0)
    assert count(place.pull(everything=True)) == (0, 2, 0, 0)


def test_a_change_behind_a_long_pull_is_read_by_the_next(place: LabelingPlace, add_cases: AddCases) -> None:
    class BusyLabelStudio(FakeLabelStudio):
        """While the second page is asked for, a task of the first changes; the last one does so 400 s later."""

        def _list_tasks(self, body: JsonValue, query: dict[str, str], request: httpx.Request) -> httpx.Response:
            if query["fields"] == "all" and self.requests.count("GET /api/tasks") == pages_before + 2:
                place.change(annotation, build_result(verdict="real"))
                for _ in range(400):
                    self._tick()
                place.annotate(last)
            return super()._list_tasks(body, query, request)

    place.server = BusyLabelStudio()
    first, *_, last = add_cases(*(f"{number:03}" for number in range(ANNOTATED_A_PAGE + 1)))
    place.push()
    annotation = place.annotate(first)
    pages_before = place.server.requests.count("GET /api/tasks")
    assert place.pull(clock=lambda: (place.server._now - START).total_seconds()).labels == 2
    assert place.pull().labels == 1
    assert {label.verdict for label in place.read_labels() if label.case_id == first.case_id} == {"generated", "real"}


def test_one_task_and_one_annotation_of_another_kind_hide_no_others(place: LabelingPlace, add_cases: AddCases) -> None:
    good, bad = add_cases("a", "b")
    place.push()
    place.annotate(good)
    place.annotate(bad, cast("list[Result]", ["banana"]))
    task = next(iter(place.server.tasks.values()))
    place.server.tasks[99] = dataclasses.replace(task, id=99, data={"case_id": 5, "image": None}, annotations=[])
    result = place.pull()
    assert (result.labels, [refusal.case_id for refusal in result.refused]) == (1, [bad.case_id])
    assert place.push().known == 2


def test_a_mark_that_grew_too_large_is_begun_anew(place: LabelingPlace, add_cases: AddCases) -> None:
    (case,) = add_cases("a")
    place.push()
    place.annotate(case)
    place.s3.objects["marks/pull.json"] = b" " * 5_000_000
    assert count(place.pull()) == (1, 0, 0, 0)


def test_refused_annotations_are_named_until_they_are_corrected(place: LabelingPlace, add_cases: AddCases) -> None:
    good, bad = add_cases("a", "b")
    place.push()
    place.annotate(good)
    annotation = place.annotate(bad, [*build_result(), build_box(BOX, label=None)])
    result = place.pull()
    (refusal,) = result.refused
    assert (refusal.reason, refusal.case_id) == (RefusalReason.BOX_WITHOUT_LABEL, bad.case_id)
    assert refusal.url.startswith("http://label-studio.test/projects/1/data?task=")
    (mark,) = read_marks(place.bucket).projects.values()
    assert mark.refused == [refusal]
    place.change(annotation, build_result())
    assert count(place.pull()) == (1, 1, 0, 0)
    (mark,) = read_marks(place.bucket).projects.values()
    assert mark.refused == []


def test_tasks_without_a_case_are_refused_and_those_of_deleted_images_passed_over(
    place: LabelingPlace, add_cases: AddCases
) -> None:
    kept, gone, deleted, broken = add_cases("a", "b", "c", "d")
    place.push()
    for case in (kept, gone, deleted, broken):
        place.annotate(case)
    keys = {case_id: key for key in place.s3.objects for case_id in [key.rpartition("/")[2][:-5]]}
    del place.s3.objects[keys[gone.case_id]]
    place.s3.objects[keys[broken.case_id]] = b"{}"
    leave_tombstone(place.bucket, deleted)
    result = place.pull()
    assert Counter(refusal.reason for refusal in result.refused) == {
        RefusalReason.CASE_MISSING: 1,
        RefusalReason.CASE_UNREADABLE: 1,
    }
    assert (result.labels, result.deleted) == (1, 1)
    assert {label.case_id for label in place.read_labels()} == {kept.case_id}


def test_labels_of_an_image_that_is_deleted_meanwhile_are_deleted(
    place: LabelingPlace, add_cases: AddCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = add_cases("a", "b")
    place.push()
    for case in (kept, gone):
        place.annotate(case)
    written = place.s3.put_object

    def put_and_delete(**call: object) -> dict[str, object]:
        if str(call["Key"]).startswith(f"labels/{gone.case_id}/"):
            leave_tombstone(place.bucket, gone)
        return written(**call)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(place.s3, "put_object", put_and_delete)
    place.pull()
    assert {label.case_id for label in place.read_labels()} == {kept.case_id}


@pytest.mark.parametrize("requests", range(1, 5))
def test_a_pull_that_ended_in_the_middle_goes_on(
    place: LabelingPlace, add_cases: AddCases, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.label_studio.client.ANNOTATED_A_PAGE", 2)
    cases = add_cases(*"abcdefg")
    place.push()
    for case in cases:
        place.annotate(case)
    place.server.fail_after = requests
    cut = PullResult()
    with pytest.raises(LabelStudioUnavailable):
        place.pull(result=cut)
    assert cut.labels == len(place.read_labels()) == 2 * (requests - 1)
    assert read_marks(place.bucket).projects == {}, "the mark is written last"
    place.server.fail_after = None
    assert place.pull().labels == 7 - cut.labels
    assert len(place.read_labels()) == 7


def test_a_bucket_that_refuses_labels_loses_none(place: LabelingPlace, add_cases: AddCases) -> None:
    (case,) = add_cases("a")
    place.push()
    place.annotate(case)
    place.s3.refuse_writes = ("labels/",)
    with pytest.raises(AccessDenied, match=f"object labels/{case.case_id}/"):
        place.pull()
    place.s3.refuse_writes = ("marks/",)
    with pytest.raises(AccessDenied, match=r"marks/pull.json"):
        place.pull()
    place.s3.refuse_writes = ()
    assert count(place.pull()) == (0, 1, 0, 0)


def test_a_project_that_is_not_there_is_named(place: LabelingPlace) -> None:
    with pytest.raises(BadSettings, match="has no project ZoomIn; push cases first"):
        place.pull()


def test_a_quiet_pull_lists_no_cases(place: LabelingPlace, add_cases: AddCases) -> None:
    add_cases("a")
    place.push()
    place.s3.requests.clear()
    place.pull()
    assert ("list", "cases/") not in place.s3.requests


def test_the_export_is_never_called(place: LabelingPlace, add_cases: AddCases) -> None:
    (case,) = add_cases("a")
    place.push()
    place.annotate(case)
    place.pull(everything=True)
    assert not [request for request in place.server.requests if "export" in request]
