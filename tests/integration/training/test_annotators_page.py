"""Ten cases in real Chromium: an annotator labels them by keyboard and mouse, and `labels pull` brings the answers."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from pipeline.wire.labels import LabelCase, LabelEvent, LabelVerdict, build_case_key
from pipeline.wire.messages import Box
from tests.support.annotator import ARTIFACT_KEY, DETAIL_KEY, Annotator, Corners
from tests.support.builders import encode_image
from tests.support.labels import START, build_case
from tests.support.servers.chromium import Chromium
from tests.support.servers.label_studio import LabelStudioForTests
from tests.support.servers.services import S3ForTests
from tests.support.verdicts import build_verdict
from training import settings
from training.__main__ import main
from training.labeling.bucket import open_labeling_bucket
from training.synthetic.scenes import Scene, draw_scene, explain_check, explain_scan

CASES = 10
BLIND = (2, 5)
SIZES = {3: (1203, 389), 5: (301, 977)}
"""of these scenes; pixels of the page are larger than theirs, or smaller"""
DRAWN = {ARTIFACT_KEY: (0.06, 0.08, 0.31, 0.27), DETAIL_KEY: (0.5, 0.6, 1.0, 0.97)}
"""fractions of the image, one box of each label; the second ends on its edge"""
MOST_OFF_PX = 0.5
EXPLANATION = "Letters 1 2 3 repeat: a d"


@dataclass(frozen=True)
class Answer:
    """What the annotator meant; `boxes` in the order of the page."""

    verdict: LabelVerdict
    boxes: list[Corners]
    explanation: str | None = None


@dataclass(frozen=True)
class Site:
    """A labeling bucket whose cases are in Label Studio."""

    bucket: str
    cases: Mapping[str, LabelCase]
    project_id: int
    label_studio: LabelStudioForTests

    def find_case(self, annotator: Annotator) -> LabelCase:
        """Return the case that is on the page."""
        with self.label_studio.connect() as client:
            task = client.get(f"/api/tasks/{annotator.task_id}/").raise_for_status().json()
        return self.cases[task["data"]["case_id"]]

    def pull(self) -> dict[str, list[LabelEvent]]:
        """Run `labels pull` and return the labels of each case, the newest last."""
        assert main(["labels", "pull", f"s3://{self.bucket}"]) == 0
        labels: dict[str, list[LabelEvent]] = {}
        with open_labeling_bucket(f"s3://{self.bucket}", settings.load()) as bucket:
            for key in bucket.list_label_keys():
                label = bucket.read_label(key)
                assert isinstance(label, LabelEvent), label
                labels.setdefault(label.case_id, []).append(label)
        return {case_id: sorted(found, key=lambda label: label.created_at) for case_id, found in labels.items()}


@pytest.fixture
def site(label_studio: LabelStudioForTests, seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> Site:
    bucket, title = seaweedfs.create_labeling_bucket(), f"cases {uuid4().hex[:8]}"
    variables = {
        "ZOOMIN_TRAIN_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "ZOOMIN_TRAIN_LABELS_PROJECT": title,
        "ZOOMIN_TRAIN_LABELS_DOUBLE_FRACTION": "0",
        **label_studio.environment,
        **seaweedfs.credentials,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    cases = {case.case_id: case for case in (write_case(seaweedfs, bucket, number) for number in range(CASES))}
    assert main(["labels", "push", f"s3://{bucket}"]) == 0
    with label_studio.connect() as client:
        projects = client.get("/api/projects", params={"title": title}).raise_for_status().json()["results"]
    return Site(bucket, cases, projects[0]["id"], label_studio)


def write_case(s3: S3ForTests, bucket: str, number: int) -> LabelCase:
    """Write a scene as a case, with its own details as the regions of the verdict."""
    scene = draw_scene(40 + number)
    size = SIZES.get(number, scene.image.size_px)
    data = encode_image(scene.image.pixels.resize(size), "PNG")
    event = build_verdict(
        scan=scene.label,
        check=scene.label,
        size=size,
        zoomed=list(scale_boxes(scene, size)),
        sha256=hashlib.sha256(data).hexdigest(),
        event_id=f"event-{number}",
        scan_explanation=explain_scan(scene.label, scene.details),
        check_explanation=explain_check(scene.details),
    )
    case = build_case(event, blind=number in BLIND)
    s3.client.put_object(Bucket=bucket, Key=case.image.object_key, Body=data)
    s3.client.put_object(
        Bucket=bucket, Key=build_case_key(case.case_id, START.date()), Body=case.model_dump_json().encode()
    )
    return case


def scale_boxes(scene: Scene, size: tuple[int, int]) -> Iterator[Box]:
    across, down = size[0] / scene.image.size_px[0], size[1] / scene.image.size_px[1]
    for box in scene.boxes:
        yield int(box.x1 * across), int(box.y1 * down), int(box.x2 * across), int(box.y2 * down)


def get_size(case: LabelCase) -> tuple[int, int]:
    return case.image.width_px, case.image.height_px


def list_shown_boxes(case: LabelCase) -> list[Corners]:
    """List the model's boxes that the page shows."""
    return [] if case.blind else [region.box for region in case.verdict_event.scan.regions]


def keep(annotator: Annotator, case: LabelCase) -> Answer:
    verdict = LabelVerdict(case.verdict_event.verdict)
    annotator.choose(verdict)
    return Answer(verdict, list_shown_boxes(case))


def hesitate(annotator: Annotator, case: LabelCase) -> Answer:
    annotator.submit_in_vain()
    annotator.choose(LabelVerdict.REAL)
    annotator.choose(LabelVerdict.UNSURE)
    return Answer(LabelVerdict.UNSURE, list_shown_boxes(case))


def draw(annotator: Annotator, case: LabelCase) -> Answer:
    """Draw a box of each label, and say why from the keyboard; its digits and letters choose nothing."""
    size = get_size(case)
    drawn = []
    for key, (left, top, right, bottom) in DRAWN.items():
        box = left * size[0], top * size[1], right * size[0], bottom * size[1]
        drawn.append(annotator.draw_box(key, box, size))
    annotator.choose(LabelVerdict.GENERATED)
    annotator.explain(EXPLANATION)
    return Answer(LabelVerdict.GENERATED, [*list_shown_boxes(case), *drawn], EXPLANATION)


def move(annotator: Annotator, case: LabelCase) -> Answer:
    first, *others = list_shown_boxes(case)
    toward_middle = 17 if first[0] + first[2] < case.image.width_px else -17
    moved = annotator.move_box(first, toward_middle, 5, get_size(case))
    annotator.choose(LabelVerdict.GENERATED)
    return Answer(LabelVerdict.GENERATED, [moved, *others])


def delete(annotator: Annotator, case: LabelCase) -> Answer:
    first, *others = list_shown_boxes(case)
    annotator.delete_box(first, get_size(case))
    annotator.choose(LabelVerdict.REAL)
    return Answer(LabelVerdict.REAL, others)


ACTIONS_OF_SIGHTED = (keep, draw, move, delete, hesitate, None, keep, keep)
"""in the order in which Label Studio shows the cases; None skips"""


def test_ten_cases_are_labeled_by_keyboard_and_mouse(site: Site, chromium: Chromium) -> None:
    member, _ = site.label_studio.invite("annotator")
    actions = iter(ACTIONS_OF_SIGHTED)
    answers: dict[str, Answer] = {}
    with chromium.open_page() as page:
        annotator = Annotator(page, site.label_studio.url)
        annotator.log_in(member, site.label_studio.password)
        annotator.open_stream(site.project_id)
        for number in range(CASES):
            case = site.find_case(annotator)
            if number == CASES - 1:
                before = site.pull()
                corrected = correct_previous(annotator, site, answers)
            action = draw if case.blind else next(actions)
            if action is None:
                annotator.skip()
            else:
                answers[case.case_id] = action(annotator, case)
                annotator.submit()
    labels = site.pull()
    assert set(labels) == set(answers)
    assert len(answers) == CASES - 1
    for case_id, answer in answers.items():
        check(labels[case_id][-1], answer, site.cases[case_id])
    assert {case_id for case_id, found in labels.items() if len(found) > 1} == {corrected}
    first, second = labels[corrected]
    assert before[corrected] == [first]
    assert second.supersedes == first.label_id


def correct_previous(annotator: Annotator, site: Site, answers: dict[str, Answer]) -> str:
    """Go back, turn the verdict, and go on; return the case."""
    annotator.go_back()
    case_id = site.find_case(annotator).case_id
    former = answers[case_id]
    turned = LabelVerdict.REAL if former.verdict is LabelVerdict.GENERATED else LabelVerdict.GENERATED
    annotator.choose(turned)
    annotator.update()
    annotator.go_on()
    answers[case_id] = replace(former, verdict=turned)
    return case_id


def check(label: LabelEvent, answer: Answer, case: LabelCase) -> None:
    assert (label.verdict, label.explanation, label.blind) == (answer.verdict, answer.explanation, case.blind)
    assert label.boxes is not None
    assert len(label.boxes) == len(answer.boxes)
    for box, meant in zip(label.boxes, answer.boxes, strict=True):
        assert box == pytest.approx(meant, abs=MOST_OFF_PX + 1e-6), (box, meant)
