"""What annotators submit, as Label Studio's page stores it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from pipeline.geometry import Size
from pipeline.wire.messages import Box
from training.label_studio.answers import StoredAnnotation
from training.label_studio.tasks import convert_to_percent

SUBMITTED = datetime(2026, 1, 2, tzinfo=UTC)
Result = dict[str, JsonValue]


def build_result(
    *, verdict: str | None = "generated", boxes: Sequence[Box] = (), size: Size = (512, 512), text: str | None = None
) -> list[Result]:
    """Build the results of one annotation."""
    results = [build_box(box, size=size) for box in boxes]
    if verdict is not None:
        results.append(_build_control("verdict", "choices", {"choices": [verdict]}))
    if text is not None:
        results.append(_build_control("explanation", "textarea", {"text": [text]}))
    return results


def build_box(
    box: Box, *, size: Size = (512, 512), label: str | None = "artifact", value: Mapping[str, JsonValue] | None = None
) -> Result:
    """Build the result of a box; `value` changes what it holds."""
    labels: list[JsonValue] = [label] if label else []
    content: Result = {
        **convert_to_percent(box, size),
        "rotation": 0,
        "rectanglelabels": labels,
        **(value or {}),
    }
    control = _build_control("region", "rectanglelabels", content)
    return control | {"original_width": size[0], "original_height": size[1], "image_rotation": 0}


def build_annotation(
    result: list[Result] | None = None, *, user: int = 3, updated_at: datetime = SUBMITTED, cancelled: bool = False
) -> StoredAnnotation:
    return StoredAnnotation(
        id=1,
        result=list[JsonValue](build_result() if result is None else result),
        completed_by=user,
        updated_by=user,
        was_cancelled=cancelled,
        lead_time=7.5,
        updated_at=updated_at,
    )


def _build_control(name: str, kind: str, value: Result) -> Result:
    return {"id": name, "type": kind, "from_name": name, "to_name": "image", "value": value}
