"""Images of a built set, for tests that need no pixels."""

from datetime import UTC, datetime
from typing import Any

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelOrigin, SampleReason
from training.dataset.frame import locate_frame
from training.dataset.labeled_image import CaseOrigin, Explanations, LabeledImage, Provenance, Split

EXPLANATION = "The shadows of both cups fall to the left."
PROVENANCE: dict[str, Any] = {
    "group": "00" * 32,
    "annotated_by": "the source",
    "source_file": "real/cup.jpg",
    "source_sha256": "11" * 32,
    "source_format": "jpeg",
    "source_width_px": 640,
    "source_height_px": 480,
    "source_bytes": 54_321,
    "perceptual_hash": "22" * 32,
}


def build_image(number: int, **fields: Any) -> LabeledImage:
    """Build an image with its own digest and group; real ones have even numbers. Fields may be of its provenance."""
    digest = fields.pop("sha256", f"{number:064x}")
    provenance = PROVENANCE | {"sha256": digest, "group": digest}
    provenance |= {name: fields.pop(name) for name in Provenance.model_fields if name in fields}
    explanation = fields.pop("explanation", EXPLANATION)
    image = {
        "file": locate_frame(digest),
        "label": Verdict.GENERATED if number % 2 else Verdict.REAL,
        "boxes": [(10, 20, 110, 220)],
        "shown": ["a cup"],
        "explanations": Explanations(scan=explanation, check=explanation) if explanation else None,
        "source": "web",
        "split": Split.TRAIN,
        "provenance": Provenance(**provenance),
    }
    return LabeledImage(**(image | fields))


def build_case_origin(**fields: Any) -> CaseOrigin:
    """Build the origin of a control case that an annotator labeled."""
    origin: dict[str, Any] = {
        "case_id": "case-1",
        "reasons": [SampleReason.CONTROL],
        "inclusion_probability": 0.05,
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "label_origin": LabelOrigin.LABEL_STUDIO,
        "blind": False,
    }
    return CaseOrigin(**(origin | fields))
