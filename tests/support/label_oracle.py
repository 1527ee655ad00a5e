"""Annotators that know the truth, and err in a share of the cases: they label through Label Studio's API."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.errors import FatalError
from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelCase
from tests.support.servers.label_studio import LabelStudioForTests
from training.dataset.labeled_image import LabeledImage
from training.label_studio import config
from training.label_studio.tasks import convert_to_percent

PROJECT = "ZoomIn"
OPPOSITE = {Verdict.REAL: Verdict.GENERATED, Verdict.GENERATED: Verdict.REAL}
WORDS = {
    Verdict.REAL: "Grain, edges and light agree everywhere.",
    Verdict.GENERATED: "A detail repeats or breaks where I marked it.",
}


@dataclass(frozen=True, slots=True)
class Truth:
    """A case with what was drawn into its image."""

    case: LabelCase
    image: LabeledImage

    def choose_verdict(self, annotator: str, error_fraction: float) -> Verdict:
        """Return the truth, or its opposite in a share of the cases that is drawn by a hash for each annotator."""
        digest = hashlib.blake2b(f"{annotator}{self.case.event_id}".encode(), digest_size=8).digest()
        errs = int.from_bytes(digest) < error_fraction * 2**64
        return OPPOSITE[self.image.label] if errs else self.image.label


class Oracle:
    """One member of the project; `label_stream` works through what Label Studio hands out to it, as a person would."""

    def __init__(self, client: httpx.Client, name: str, truths: Mapping[str, Truth], error_fraction: float) -> None:
        self._client = client
        self._name = name
        self._truths = truths
        self._error_fraction = error_fraction

    def label_stream(self, project: int, *, most: int) -> int:
        """Label at most so many tasks, or until none is left for this annotator; return how many were labeled."""
        labeled = 0
        while labeled < most and (task := self._take_next(project)) is not None:
            result = self._answer(self._truths[task["data"]["case_id"]])
            body = {"result": result, "lead_time": 5.0 + labeled % 7}
            self._client.post(f"/api/tasks/{task['id']}/annotations/", json=body).raise_for_status()
            labeled += 1
        return labeled

    def _take_next(self, project: int) -> dict[str, Any] | None:
        response = self._client.get(f"/api/projects/{project}/next")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        task: dict[str, Any] = response.raise_for_status().json()
        return task

    def _answer(self, truth: Truth) -> list[dict[str, Any]]:
        verdict = truth.choose_verdict(self._name, self._error_fraction)
        size = truth.case.image.width_px, truth.case.image.height_px
        boxes = truth.image.boxes or [] if verdict is truth.image.label is Verdict.GENERATED else []
        choice = {"type": config.VERDICT_TYPE, "from_name": config.VERDICT, "value": {"choices": [verdict.value]}}
        words = {
            "type": config.EXPLANATION_TYPE,
            "from_name": config.EXPLANATION,
            "value": {"text": [WORDS[verdict]]},
        }
        parts: list[dict[str, Any]] = [choice, words]
        parts += [
            {
                "type": config.REGION_TYPE,
                "from_name": config.REGION,
                "original_width": size[0],
                "original_height": size[1],
                "image_rotation": 0,
                "value": {**convert_to_percent(box, size), "rotation": 0, config.REGION_TYPE: [config.ARTIFACT]},
            }
            for box in boxes
        ]
        return [{"to_name": config.IMAGE, **part} for part in parts]


def find_project(server: LabelStudioForTests) -> int:
    """Return the id of the project that `zoomin-train labels push` creates. Raises: FatalError if there is none."""
    with server.connect() as administrator:
        found = administrator.get("/api/projects", params={"title": PROJECT}).raise_for_status().json()["results"]
    if not found:
        raise FatalError(f"Label Studio has no project {PROJECT}: nothing was pushed")
    return int(found[0]["id"])


def label_as(
    server: LabelStudioForTests,
    name: str,
    project: int,
    truths: Mapping[str, Truth],
    *,
    error_fraction: float,
    most: int,
) -> int:
    """Join as a new member of this name, label at most so many cases, and return how many were labeled."""
    with server.connect(server.create_user(name)) as client:
        return Oracle(client, name, truths, error_fraction).label_stream(project, most=most)
