from tests.support.annotations import build_annotation
from training.label_studio.answers import AnnotatedTask, StoredAnnotation, StoredTask


def test_who_changed_an_annotation_last_is_its_author() -> None:
    annotation = build_annotation(user=3)
    assert annotation.author == 3
    assert annotation.model_copy(update={"updated_by": 9}).author == 9
    assert annotation.model_copy(update={"updated_by": None}).author == 3


def test_what_the_server_adds_or_leaves_out_does_no_harm() -> None:
    task = StoredTask.model_validate({"id": 1, "data": {"cat": 1}, "overlap": 1, "new_field": []})
    assert (task.data.case_id, task.total_annotations) == ("", 0)
    moment = "2026-11-26T15:08:43.852484Z"
    annotation = {"id": 2, "updated_at": moment}
    whole = AnnotatedTask.model_validate({"id": 1, "updated_at": moment, "annotations": [annotation]})
    assert whole.annotations == [StoredAnnotation.model_validate(annotation)]
    assert whole.annotations[0].updated_at.microsecond == 852484
