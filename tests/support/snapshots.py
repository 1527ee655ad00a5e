"""Small cases and base sets for tests of snapshots; pictures of noise are near to none but themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from pipeline import images
from pipeline.storage.objects import create_object, write_object
from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelCase, LabelVerdict, SampleReason, build_case_key
from tests.support.builders import build_noise
from tests.support.labeled_images import build_image
from tests.support.labels import build_case, build_label
from tests.support.verdicts import build_verdict
from training.dataset import duplicates, frame, manifest
from training.dataset.labeled_image import Split
from training.labeling.bucket import LabelingBucket

SIZE_PX = (96, 72)
START_MS = 1_760_000_000_000
MINUTE_MS = 60_000
FIRST_OF_BASE = 1_000_000
"""seeds of a base's pictures begin here"""
SPLITS = (*[Split.TRAIN] * 8, Split.VALIDATION, Split.TEST)


def put_case(
    bucket: LabelingBucket,
    number: int,
    *,
    reasons: Sequence[str] = (SampleReason.CONTROL,),
    inclusion_probability: float = 0.25,
    picture: Image.Image | None = None,
) -> LabelCase:
    """Put a case and its image into the bucket as the worker does; cases with higher numbers are later."""
    event = build_verdict(event_id=f"event-{number:06}", size=SIZE_PX, timestamp_ms=START_MS + number * MINUTE_MS)
    event = event.model_copy(
        update={
            "image": event.image.model_copy(update={"sha256": f"{number:064x}"}),
            "decided_at": datetime(2026, 6, 1, tzinfo=UTC),
        }
    )
    case = build_case(event, reasons=reasons, inclusion_probability=inclusion_probability)
    png = images.encode_png(picture or build_noise(*SIZE_PX, seed=number))
    write_object(bucket.client, bucket.name, case.image.object_key, png, content_type="image/png")
    key = build_case_key(case.case_id, datetime.fromtimestamp(event.record.timestamp_ms / 1000, UTC).date())
    create_object(bucket.client, bucket.name, key, case.model_dump_json().encode())
    return case


def label_case(bucket: LabelingBucket, case: LabelCase, verdict: LabelVerdict, *, minute: int = 0) -> None:
    """Label a case; a later minute corrects the label."""
    bucket.put_label(build_label(case, verdict=verdict, minute=minute))


def put_labeled_case(bucket: LabelingBucket, number: int) -> LabelCase:
    """Put a case with its label; even numbers are real, and one in two is of the control sample."""
    reasons = (SampleReason.CONTROL,) if number % 4 < 2 else (SampleReason.LOW_CONFIDENCE,)
    case = put_case(bucket, number, reasons=reasons)
    label_case(bucket, case, LabelVerdict.GENERATED if number % 2 else LabelVerdict.REAL)
    return case


def write_base(directory: Path, count: int, *, first: int = FIRST_OF_BASE) -> Path:
    """Write a built set of `count` pictures, half of each class, in the splits of a build."""
    rows = []
    for number in range(count):
        pixels = build_noise(*SIZE_PX, seed=first + number)
        sha256 = frame.write_frame(directory, pixels)
        hashed = duplicates.compute_fingerprint(frame.apply_codec_chain(pixels)).upright
        rows.append(
            build_image(
                number,
                sha256=sha256,
                source_sha256=f"{first + number:064x}",
                perceptual_hash=hashed,
                width_px=SIZE_PX[0],
                height_px=SIZE_PX[1],
                boxes=[(1, 2, 30, 40)],
                label=list(Verdict)[number % 2],
                split=SPLITS[number // 2 % len(SPLITS)],
            )
        )
    manifest.write_manifest(directory, rows)
    return directory
