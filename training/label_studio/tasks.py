"""From a case to the task that an annotator sees; pure.

A task names its case and holds image and evidence, and nothing that would lead the annotator: not why it was drawn, nor
from where it came. The task of a blind case has neither evidence nor boxes.
"""

from collections.abc import Mapping
from typing import TypedDict

from pydantic import JsonValue

from pipeline.geometry import Size
from pipeline.wire.labels import IMAGES, LabelCase
from pipeline.wire.messages import Box
from training.label_studio.config import BOX_LABELS, IMAGE, REGION, REGION_TYPE
from training.label_studio.evidence import build_evidence

PERCENT = 100.0
Percent = dict[str, float]


class TaskData(TypedDict):
    case_id: str
    image: str
    evidence: str


class PreAnnotation(TypedDict):
    """Boxes alone: a verdict here would become the annotator's own with one key."""

    model_version: str
    score: float
    result: list[dict[str, JsonValue]]


class Task(TypedDict):
    data: TaskData
    predictions: list[PreAnnotation]


def build_task(case: LabelCase, bucket: str) -> Task:
    """Build the task of a case whose image is in `bucket`."""
    url = build_image_url(bucket, case.image.object_key)
    if case.blind:
        return Task(data=TaskData(case_id=case.case_id, image=url, evidence=""), predictions=[])
    event = case.verdict_event
    size = case.image.width_px, case.image.height_px
    prediction = PreAnnotation(
        model_version=event.model.revision,
        score=event.confidence,
        result=[
            _build_region(f"r{number}", region.box, size, BOX_LABELS[event.verdict])
            for number, region in enumerate(event.scan.regions, start=1)
        ],
    )
    data = TaskData(case_id=case.case_id, image=url, evidence=build_evidence(event, url))
    return Task(data=data, predictions=[prediction])


def build_image_url(bucket: str, object_key: str) -> str:
    return f"s3://{bucket}/{object_key}"


def convert_to_percent(box: Box, size: Size) -> Percent:
    x1, y1, x2, y2 = box
    width, height = size
    return {
        "x": x1 / width * PERCENT,
        "y": y1 / height * PERCENT,
        "width": (x2 - x1) / width * PERCENT,
        "height": (y2 - y1) / height * PERCENT,
    }


def convert_to_pixels(percent: Mapping[str, float], size: Size) -> tuple[float, float, float, float]:
    """Convert a region of Label Studio to corners in pixels, not rounded."""
    left, top = percent["x"] * size[0] / PERCENT, percent["y"] * size[1] / PERCENT
    return (
        left,
        top,
        left + percent["width"] * size[0] / PERCENT,
        top + percent["height"] * size[1] / PERCENT,
    )


def find_case_problem(case: LabelCase) -> str | None:
    """Return why a case cannot be shown, with the field; None if it can. Label Studio itself takes anything."""
    event, (width, height) = case.verdict_event, (case.image.width_px, case.image.height_px)
    if width < 1 or height < 1:
        return f"image: {width} x {height} px is no size"
    if (event.image.width_px, event.image.height_px) != (width, height):
        return f"verdict_event.image: has another size than image, which has {width} x {height} px"
    if not case.image.object_key.startswith(IMAGES):
        return f"image.object_key: {case.image.object_key} is not below {IMAGES}, which is all that Label Studio reads"
    if not case.case_id:
        return "case_id: is empty"
    for number, region in enumerate(event.scan.regions):
        x1, y1, x2, y2 = region.box
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
            return f"verdict_event.scan.regions.{number}.box: {list(region.box)} is not inside {width} x {height} px"
    return None


def _build_region(name: str, box: Box, size: Size, label: str) -> dict[str, JsonValue]:
    return {
        "id": name,
        "type": REGION_TYPE,
        "from_name": REGION,
        "to_name": IMAGE,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {**convert_to_percent(box, size), "rotation": 0, REGION_TYPE: [label]},
    }
