"""Cases through the real Label Studio by the command line: push, annotate, kills in the middle, pull, status."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from uuid import uuid4

import pytest

from pipeline.wire.labels import LabelCase, LabelVerdict, build_case_key
from tests.support.annotations import build_box, build_result
from tests.support.labels import START, build_case, leave_tombstone
from tests.support.paths import ROOT
from tests.support.servers.label_studio import LabelStudioForTests
from tests.support.servers.services import S3ForTests, eventually
from tests.support.verdicts import build_verdict
from training.__main__ import main
from training.label_studio.client import LabelStudio
from training.labeling.bucket import LabelingBucket
from training.labeling.cases import index_cases

CASES = 600
"""two requests of an import"""
BOX = (10, 20, 60, 90)
TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Place:
    bucket: LabelingBucket
    server: LabelStudioForTests
    environment: dict[str, str]
    title: str
    capsys: pytest.CaptureFixture[str]

    @property
    def url(self) -> str:
        return f"s3://{self.bucket.name}"

    def run(self, *words: str, code: int = 0) -> dict[str, object]:
        """Run `zoomin-train labels` in this process and return what it prints."""
        assert main(["labels", words[0], self.url, *words[1:], "--json"]) == code
        printed: dict[str, object] = json.loads(self.capsys.readouterr().out.splitlines()[-1])
        return printed

    def start(self, verb: str) -> subprocess.Popen[bytes]:
        """Start `zoomin-train labels` as a process of its own, to be killed."""
        command = [sys.executable, "-m", "training", "labels", verb, self.url]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def list_tasks(self) -> dict[str, int]:
        with LabelStudio(self.server.url, self.server.token, timeout_s=60) as client:
            found = client.find_projects(self.title)
            return {task.data.case_id: task.id for task in client.list_tasks(found[0].id)} if found else {}


@pytest.fixture
def place(
    label_studio: LabelStudioForTests,
    seaweedfs: S3ForTests,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Place:
    title = f"ZoomIn {uuid4().hex[:8]}"
    environment = {
        **seaweedfs.credentials,
        **label_studio.environment,
        "ZOOMIN_TRAIN_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "ZOOMIN_TRAIN_LABELS_PROJECT": title,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bucket = LabelingBucket(seaweedfs.create_bucket("labels"), seaweedfs.client)
    return Place(bucket, label_studio, environment, title, capsys)


def put_cases(place: Place, count: int) -> list[LabelCase]:
    """Put cases into the bucket; every fifth is blind, every second is of the control sample."""
    cases = []
    place.bucket.client.put_object(Bucket=place.bucket.name, Key="images/any.png", Body=b"Label Studio wants one")
    for number in range(count):
        event = build_verdict(event_id=f"{number:04d}", zoomed=[BOX])
        event = event.model_copy(update={"image": event.image.model_copy(update={"sha256": f"{number:064x}"})})
        reasons = ["corrected"] if number % 2 else ["control"]
        case = build_case(event, reasons=reasons, blind=number % 5 == 0)
        place.bucket.client.put_object(
            Bucket=place.bucket.name, Key=build_case_key(case.case_id, START), Body=case.model_dump_json().encode()
        )
        cases.append(case)
    return cases


def test_cases_are_pushed_once_and_labels_pulled_once_whatever_is_killed(place: Place) -> None:
    cases = put_cases(place, CASES)
    push = place.start("push")
    try:
        assert eventually(lambda: len(place.list_tasks()) >= 500, within_s=TIMEOUT_S)
        push.send_signal(signal.SIGKILL)
    finally:
        push.kill()
        push.wait(TIMEOUT_S)
    pushed = place.run("push")
    assert place.run("push")["sent"] == {}
    tasks = place.list_tasks()
    assert tasks.keys() == {case.case_id for case in cases}
    with LabelStudio(place.server.url, place.server.token, timeout_s=60) as client:
        (project,) = client.find_projects(place.title)
        stored = list(client.list_tasks(project.id))
    assert len(stored) == CASES, "no case has two tasks"
    assert isinstance(pushed["sent"], dict)
    doubles = [task for task in stored if task.overlap == 2]
    assert 0.05 * CASES < len(doubles) < 0.15 * CASES

    first, second, skipped, slipped, gone = cases[:5]
    with place.server.connect(place.server.create_user()) as annotator:
        for case, result in (
            (first, build_result(verdict="real", boxes=[BOX], text="Grain.")),
            (second, build_result(verdict="generated")),
            (slipped, [*build_result(), build_box(BOX, label=None)]),
            (gone, build_result()),
        ):
            body = {"result": result, "lead_time": 12.0}
            annotator.post(f"/api/tasks/{tasks[case.case_id]}/annotations/", json=body).raise_for_status()
        annotator.post(
            f"/api/tasks/{tasks[skipped.case_id]}/annotations/", json={"result": [], "was_cancelled": True}
        ).raise_for_status()
    with place.server.connect(place.server.create_user()) as other:
        body = {"result": build_result(verdict="real"), "lead_time": 8.0}
        other.post(f"/api/tasks/{tasks[second.case_id]}/annotations/", json=body).raise_for_status()
    leave_tombstone(place.bucket, gone)

    pull = place.start("pull")
    try:
        assert eventually(lambda: bool(index_cases(place.bucket).labels), within_s=TIMEOUT_S)
        pull.send_signal(signal.SIGKILL)
    finally:
        pull.kill()
        pull.wait(TIMEOUT_S)
    pulled = place.run("pull")
    assert isinstance(pulled["labels"], int)
    assert isinstance(pulled["known"], int)
    assert pulled["labels"] + pulled["known"] == 3
    assert (pulled["skipped"], pulled["deleted"], pulled["refused"]) == (1, 1, {"box_without_label": 1})
    assert place.run("pull", "--all")["labels"] == 0
    labels = index_cases(place.bucket).labels
    assert {case_id: len(keys) for case_id, keys in labels.items()} == {first.case_id: 1, second.case_id: 2}
    label = place.bucket.read_label(labels[first.case_id][0])
    assert getattr(label, "verdict", None) is LabelVerdict.REAL
    assert getattr(label, "boxes", None) == [BOX]

    repushed = place.run("push")
    assert (repushed["deleted_tasks"], repushed["sent"]) == (1, {})
    assert gone.case_id not in place.list_tasks()
    status = place.run("status")
    assert status["states"] == {"pending": CASES - 3, "agreed": 1, "disputed": 1, "unsure": 0}
    assert status["deleted"] == 1
    assert status["refused"] == {"box_without_label": 1}
    assert isinstance(status["annotators"], dict)
    assert sorted(annotator["median_seconds"] for annotator in status["annotators"].values()) == [8.0, 12.0]


def test_two_pushes_at_once_send_each_case_once(place: Place) -> None:
    put_cases(place, 40)
    pushes = [place.start("push") for _ in range(2)]
    codes = sorted(push.wait(TIMEOUT_S) for push in pushes)
    assert codes in ([0, 0], [0, 1]), "one sends, the other finds the lease held or nothing to do"
    with LabelStudio(place.server.url, place.server.token, timeout_s=60) as client:
        (project,) = client.find_projects(place.title)
        assert len(list(client.list_tasks(project.id))) == 40


def test_label_studio_that_is_away_is_one_sentence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_LABELS_URL", "http://127.0.0.1:9")
    assert main(["labels", "pull", place.url]) == 1
    printed = place.capsys.readouterr()
    assert "zoomin-train labels: Label Studio at http://127.0.0.1:9 cannot be reached (ConnectError)" in printed.err
    assert printed.out.startswith("0 new labels")
