"""The calls that `zoomin-train labels` makes, on the fake Label Studio and on the real one."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from pipeline.errors import BadSettings
from tests.support import fake_label_studio
from tests.support.fake_label_studio import FakeLabelStudio
from tests.support.labels import build_case
from tests.support.verdicts import build_verdict
from training.errors import LabelStudioRefusal, LabelStudioUnavailable
from training.label_studio.answers import Project
from training.label_studio.client import LabelStudio
from training.label_studio.config import CONFIG
from training.label_studio.tasks import Task, build_task

VERDICT = {
    "id": "v",
    "type": "choices",
    "from_name": "verdict",
    "to_name": "image",
    "value": {"choices": ["generated"]},
}


@dataclass(frozen=True, slots=True)
class Place:
    """`annotator` is an HTTP client of a person who is no administrator."""

    client: LabelStudio
    annotator: httpx.Client
    project: Project


@pytest.fixture(params=["fake", "real"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    title = f"ZoomIn {uuid4().hex[:8]}"
    if request.param == "fake":
        fake = FakeLabelStudio()
        client = LabelStudio(fake_label_studio.URL, fake_label_studio.TOKEN, timeout_s=5, transport=fake.transport)
        annotator = fake.connect(user=7)
    else:
        server = request.getfixturevalue("label_studio")
        client = LabelStudio(server.url, server.token, timeout_s=60)
        annotator = server.connect(server.create_user())
    with client, annotator:
        yield Place(client, annotator, client.create_project(title, CONFIG))


def build_tasks(*names: str) -> list[Task]:
    cases = [build_case(build_verdict(event_id=name, zoomed=[(10, 20, 60, 90)])) for name in names]
    return [build_task(case, "labels") for case in cases]


def annotate(place: Place, task: int, **fields: object) -> int:
    body = {"result": [VERDICT], "lead_time": 12.5} | fields
    number: int = place.annotator.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status().json()["id"]
    return number


def list_names(place: Place) -> list[str]:
    return [task.data.case_id for task in place.client.list_tasks(place.project.id)]


def test_a_project_is_found_by_its_exact_title_with_its_config(place: Place) -> None:
    longer = place.client.create_project(f"{place.project.title} 2", CONFIG)
    assert [found.id for found in place.client.find_projects(place.project.title)] == [place.project.id]
    assert [found.id for found in place.client.find_projects(longer.title)] == [longer.id]
    assert place.client.find_projects("none of that title") == []
    assert {place.project.id, longer.id} <= {found.id for found in place.client.list_projects()}
    assert place.project.label_config == CONFIG


def test_tasks_are_listed_once_each_over_all_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.label_studio.client.TASKS_A_PAGE", 2)
    place.client.import_tasks(place.project.id, build_tasks("a", "b", "c", "d", "e"))
    assert list_names(place) == [f"verdict-of-{name}" for name in "abcde"]
    first = next(iter(place.client.list_tasks(place.project.id)))
    assert (first.overlap, first.total_annotations) == (1, 0)
    place.client.set_overlap(first.id, 2)
    place.client.import_tasks(place.project.id, build_tasks("f"))
    assert [task.overlap for task in place.client.list_tasks(place.project.id)] == [2, 1, 1, 1, 1, 1]


def test_one_bad_task_refuses_all_of_its_request(place: Place) -> None:
    good = build_tasks("a")[0]
    bad: Task = {"data": {"case_id": "bad"}, "predictions": []}  # type: ignore[typeddict-item] # that is what is bad
    with pytest.raises(LabelStudioRefusal, match="400"):
        place.client.import_tasks(place.project.id, [good, bad])
    assert list_names(place) == []


def test_what_changed_is_listed_with_whole_annotations(place: Place) -> None:
    place.client.import_tasks(place.project.id, build_tasks("a", "b", "c"))
    first, second, _ = (task.id for task in place.client.list_tasks(place.project.id))
    number = annotate(place, first)
    (before,) = place.client.list_annotated(place.project.id, None)
    since = max(task.updated_at for task in before)
    annotate(place, second, was_cancelled=True)
    place.annotator.patch(f"/api/annotations/{number}/", json={"lead_time": 20.0}).raise_for_status()
    (changed,) = place.client.list_annotated(place.project.id, since)
    assert [task.id for task in changed] == [first, second]
    (edited,), (skipped,) = (task.annotations for task in changed)
    assert (edited.id, edited.lead_time, edited.was_cancelled) == (number, 20.0, False)
    assert edited.result == [VERDICT]
    assert edited.author is not None
    assert edited.author == edited.completed_by
    assert edited.updated_at > min(task.annotations[0].updated_at for task in before if task.id == first)
    assert skipped.was_cancelled
    assert list(place.client.list_annotated(place.project.id, max(task.updated_at for task in changed))) == []


def test_deleted_tasks_are_gone_and_deleting_them_again_is_no_error(place: Place) -> None:
    place.client.import_tasks(place.project.id, build_tasks("a", "b"))
    first, second = (task.id for task in place.client.list_tasks(place.project.id))
    annotate(place, first)
    place.client.delete_tasks(place.project.id, [first])
    place.client.delete_tasks(place.project.id, [first])
    assert [task.id for task in place.client.list_tasks(place.project.id)] == [second]
    with pytest.raises(LabelStudioUnavailable, match="404"):
        place.client.set_overlap(first, 2)


def test_a_wrong_token_is_refused_with_the_cure(place: Place, request: pytest.FixtureRequest) -> None:
    for token in ("f" * 40, "not.a.token"):
        transport = FakeLabelStudio().transport if "fake" in request.node.name else None
        with (
            LabelStudio(place.client.url, token, timeout_s=60, transport=transport) as stranger,
            pytest.raises(BadSettings, match=r"refuses the token \(401\).*set ZOOMIN_TRAIN_LABELS_TOKEN"),
        ):
            stranger.find_projects("ZoomIn")


def test_a_server_that_is_away_is_named() -> None:
    with (
        LabelStudio("http://127.0.0.1:9", "f" * 40, timeout_s=5) as client,
        pytest.raises(LabelStudioUnavailable, match=r"127.0.0.1:9 cannot be reached \(ConnectError\)"),
    ):
        client.find_projects("ZoomIn")
