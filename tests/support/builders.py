"""Builds the inputs of tests with every field filled in: records, notifications, images, files."""

import io
import json

import numpy as np
from PIL import Image

from pipeline.wire.events import Addressing
from pipeline.wire.record import RawRecord

AWS = Addressing(None, frozenset({"photos", "a.b"}))


def build_record(
    value: bytes | str | object = b"", *, headers: dict[str, bytes | None] | None = None, **kw: object
) -> RawRecord:
    """Build a record; a value that is neither bytes nor text becomes JSON."""
    text = value if isinstance(value, bytes | str) else json.dumps(value)
    raw = text.encode() if isinstance(text, str) else text
    fields = {
        "topic": "zoomin.images",
        "partition": 3,
        "offset": 42,
        "timestamp_ms": 1_700_000_000_000,
        "key": None,
    } | kw
    return RawRecord(value=raw, headers=tuple((headers or {}).items()), **fields)  # type: ignore[arg-type]


def build_notification(
    *entries: tuple[str, str], name: str = "ObjectCreated:Put", **stored: object
) -> dict[str, object]:
    """Build an S3 notification of (bucket, key) pairs; `stored` are further fields of each object."""
    objects = [{"bucket": {"name": b}, "object": {"key": k, "size": 5, **stored}} for b, k in entries]
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name, "s3": o} for o in objects]}


def build_bridge_event(kind: str = "Object Created", **stored: object) -> dict[str, object]:
    """Build an event of EventBridge; `stored` are further fields of its object."""
    detail = {"version": "0", "bucket": {"name": "photos"}, "object": {"key": "a+b%20.jpg", "size": 3, **stored}}
    return {"version": "0", "id": "b-1", "detail-type": kind, "source": "aws.s3", "detail": detail}


def build_noise(width: int = 64, height: int = 48, *, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Build an image of random pixels, the same for the same seed; no codec can compress it."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8), mode)


def encode_image(image: Image.Image, file_format: str, **options: object) -> bytes:
    """Encode the image as a file of this format."""
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()
