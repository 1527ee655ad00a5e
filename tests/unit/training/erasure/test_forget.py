from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StoreUnavailable
from pipeline.labeling.case_search import Selection
from pipeline.wire.labels import LabelCase, build_image_key, build_tombstone_key
from tests.support import fake_label_studio
from tests.support.labeling_place import SETTINGS, LabelingPlace
from tests.support.labels import build_case, build_label
from tests.support.memory_s3 import MemoryS3
from tests.support.verdicts import build_verdict
from training.erasure.forget import ForgetPlaces, ForgetResult, forget_images
from training.errors import LabelStudioUnavailable
from training.label_studio.client import LabelStudio
from training.settings import TrainSettings

SECRET = Selection(event_ids=frozenset({"secret"}))


@pytest.fixture
def place() -> LabelingPlace:
    """Two cases with tasks and labels; a third that is the same image as the first, brought by another event."""
    place = LabelingPlace()
    cases = [put_case(place, name, digit) for name, digit in (("secret", "1"), ("other", "2"), ("again", "1"))]
    place.push()
    for case in cases:
        place.put_label(build_label(case))
    return place


def put_case(place: LabelingPlace, name: str, digit: str) -> LabelCase:
    case = place.put_case(build_case(build_verdict(event_id=name, key=f"{name}.png", sha256=digit * 64)))
    place.s3.objects[build_image_key(case.image.sha256)] = b"png"
    return case


def forget(
    place: LabelingPlace,
    selection: Selection = SECRET,
    places: ForgetPlaces | None = None,
    *,
    settings: TrainSettings = SETTINGS,
    dry_run: bool = False,
) -> ForgetResult:
    result = ForgetResult()
    transport = place.server.transport
    with LabelStudio(fake_label_studio.URL, fake_label_studio.TOKEN, timeout_s=5, transport=transport) as client:
        forget_images(place.bucket, selection, places or ForgetPlaces(), client, settings, result, dry_run=dry_run)
    return result


def list_left(place: LabelingPlace) -> tuple[list[str], list[str]]:
    return sorted(key for key in place.s3.objects if not key.startswith("marks/")), sorted(place.list_sent())


def test_bucket_and_tasks_lose_the_image_of_every_event_that_brought_it(place: LabelingPlace) -> None:
    result = forget(place)
    objects, tasks = list_left(place)
    assert [key for key in objects if "1" * 64 in key] == [build_tombstone_key("1" * 64)]
    assert not [key for key in objects if "secret" in key or "again" in key]
    assert len([key for key in objects if "other" in key]) == 2
    assert tasks == ["verdict-of-other"]
    assert (len(result.images["1" * 64]), result.tasks, result.objects) == (2, 2, 5)


def test_a_dry_run_finds_the_same_and_changes_nothing(place: LabelingPlace) -> None:
    before, tasks = dict(place.s3.objects), place.list_sent()
    found = forget(place, dry_run=True)
    assert (place.s3.objects, place.list_sent()) == (before, tasks)
    done = forget(place)
    assert (found.images, found.tasks) == (done.images, done.tasks)


def test_a_second_run_by_the_digest_changes_nothing(place: LabelingPlace) -> None:
    forget(place)
    before = dict(place.s3.objects)
    forget(place, Selection(sha256s=frozenset({"1" * 64})))
    assert place.s3.objects == before


def test_what_was_ended_while_label_studio_was_away_is_finished_by_the_same_call(place: LabelingPlace) -> None:
    away = LabelStudio("http://127.0.0.1:9", fake_label_studio.TOKEN, timeout_s=1)
    with away, pytest.raises(LabelStudioUnavailable):
        forget_images(place.bucket, SECRET, ForgetPlaces(), away, SETTINGS, ForgetResult())
    assert build_tombstone_key("1" * 64) in place.s3.objects
    assert forget(place).objects == 5


@pytest.mark.parametrize("refused", ["images/", "labels/", "cases/"])
def test_a_bucket_that_refuses_in_the_middle_is_finished_by_the_same_call(place: LabelingPlace, refused: str) -> None:
    place.s3.refuse_writes = (refused,)
    with pytest.raises(StoreUnavailable):
        forget(place)
    place.s3.refuse_writes = ()
    forget(place)
    assert not [key for key in list_left(place)[0] if "secret" in key or "again" in key]


def test_tasks_of_an_image_that_the_topic_deleted_go_by_its_tombstone(place: LabelingPlace) -> None:
    place.s3.objects = {key: body for key, body in place.s3.objects.items() if "secret" not in key}
    result = forget(place, Selection(sha256s=place.bucket.list_tombstones() | {"1" * 64}))
    assert "1" * 64 in result.images
    assert "verdict-of-secret" not in place.list_sent()


def test_a_case_that_is_written_while_the_others_are_read_goes_too(place: LabelingPlace) -> None:
    class Racing(MemoryS3):
        def put_object(self, **fields: Any) -> dict[str, object]:
            if fields["Key"].startswith("deleted/") and fields["Key"] not in self.objects:
                put_case(place, "late", "1")
            return super().put_object(**fields)

    place.s3.__class__ = Racing
    result = forget(place)
    assert len(result.images["1" * 64]) == 3
    assert not [key for key in place.s3.objects if "late" in key]


def test_tasks_in_a_project_of_an_earlier_title_go_too(place: LabelingPlace) -> None:
    place.server.projects[0]["title"] = "before the page was changed"
    assert forget(place).tasks == 2
    assert place.list_sent() == ["verdict-of-other"]


def test_export_files_that_name_it_go_and_others_stay(place: LabelingPlace, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "media" / "export").mkdir(parents=True)
    mine, theirs = tmp_path / "export" / "a.json", tmp_path / "media" / "export" / "b.json"
    mine.write_text('[{"data": {"case_id": "verdict-of-secret"}}]')
    theirs.write_text('[{"data": {"case_id": "verdict-of-other"}}]')
    (tmp_path / "export" / "empty.json").touch()
    places = ForgetPlaces(label_studio_data=tmp_path)
    assert forget(place, places=places, dry_run=True).exports == [mine]
    assert mine.exists()
    assert forget(place, places=places).exports == [mine]
    assert (mine.exists(), theirs.exists()) == (False, True)


def test_answers_of_models_go_with_an_image_that_is_found_and_stay_otherwise(
    place: LabelingPlace, tmp_path: Path
) -> None:
    """A night forgets all tombstones again: what it asked since must not be lost each time."""
    (tmp_path / "cache" / "answers").mkdir(parents=True)
    (tmp_path / "report").mkdir()
    files = [tmp_path / "cache" / "answers" / "model-1.jsonl", tmp_path / "report" / "model-2.jsonl"]
    for path in files:
        path.write_text('{"key": "1", "text": "It shows a cat."}')
    settings = SETTINGS.model_copy(update={"cache": tmp_path / "cache"})
    places = ForgetPlaces(answers=(tmp_path / "report",))
    assert forget(place, places=places, settings=settings, dry_run=True).answers == files
    assert all(path.exists() for path in files)
    assert forget(place, places=places, settings=settings).answers == files
    assert not [path for path in files if path.exists()]
    files[0].write_text("{}")
    tombstones = Selection(sha256s=place.bucket.list_tombstones())
    assert not forget(place, tombstones, places, settings=settings).answers
    assert files[0].exists()


def test_an_object_that_is_no_case_is_named(place: LabelingPlace) -> None:
    place.s3.objects["cases/2026/01/01/foreign.json"] = b"{}"
    assert forget(place).unreadable == ["cases/2026/01/01/foreign.json"]
