"""Things that tests are about, with every field filled in: records, events, pictures, inspections."""

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
    """A record; what is neither bytes nor text becomes JSON."""
    text = value if isinstance(value, bytes | str) else json.dumps(value)
    raw = text.encode() if isinstance(text, str) else text
    place = {
        "topic": "zoomin.images",
        "partition": 3,
        "offset": 42,
        "timestamp_ms": 1_700_000_000_000,
        "key": None,
    } | kw
    return RawRecord(value=raw, headers=tuple((headers or {}).items()), **place)  # type: ignore[arg-type]


def build_notification(*entries: tuple[str, str], name: str = "ObjectCreated:Put", **stored: object) -> dict[str, object]:
    """An S3 notification of (bucket, key) pairs; `stored` are further fields of each object."""
    objects = [{"bucket": {"name": b}, "object": {"key": k, "size": 5, **stored}} for b, k in entries]
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name, "s3": o} for o in objects]}


def build_noise(width: int = 64, height: int = 48, *, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Pixels that no codec can guess, the same for the same seed."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8), mode)


def encode_image(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The image as a file of this format."""
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()
