"""One file into the training frame, by one codec chain for both classes, so that no format gives the label away.

Upright sRGB as the worker decodes it, the centre square, 512 x 512, one JPEG step, and then the pixels as a file of
fixed length without metadata. The JPEG step lays the same compression over camera files and generators' lossless ones.
"""

import hashlib
import io
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from pipeline import geometry, images
from pipeline.errors import ImageUndecodable, PoisonError
from pipeline.sandbox import isolation
from pipeline.sandbox.isolation import Died
from pipeline.verdict import RgbImage
from training.dataset import duplicates, tuples
from training.dataset.duplicates import Fingerprint
from training.dataset.sources import LabeledImage
from training.dataset.tuples import FRAME_PX, LeftOut

MAX_PIXELS = 64_000_000
MAX_BYTES = 200_000_000
MIN_SIDE_PX = 64
TOO_SMALL, TOO_LARGE, UNREADABLE = "image_too_small", "image_too_large", "file_unreadable"
JPEG_QUALITY = 95
FRAME_TIMEOUT_S = 60
MEMORY_LIMIT_BYTES = 4 << 30
WRITTEN_AT = (0, 0)  # files made one after the other would tell the classes apart by their times


@dataclass(frozen=True, slots=True)
class Framed:
    """An image in the training frame, on disk, and what its source file was."""

    image: LabeledImage
    sha256: str
    source_sha256: str
    source_format: str
    source_size_px: geometry.Size
    source_bytes: int
    fingerprint: Fingerprint


def confined(out: Path, image: LabeledImage) -> Framed | LeftOut:
    """`bring` in a process of its own, with a limit of memory and time: files are strangers'."""
    work = partial(bring, out, image)
    try:
        brought = isolation.alone(work, deadline_s=FRAME_TIMEOUT_S, memory_bytes=MEMORY_LIMIT_BYTES)
    except MemoryError:
        return LeftOut(image.name, TOO_LARGE, "framing it needs too much memory")
    if isinstance(brought, Died):
        reason = f"took longer than {FRAME_TIMEOUT_S} s" if brought.too_slow else "killed its process"
        return LeftOut(image.name, ImageUndecodable("").code, f"decoding {reason}")
    return brought


def bring(out: Path, image: LabeledImage) -> Framed | LeftOut:
    """The image framed and written below `out`, or why it was not."""
    opened = read(image.path, image.name, least_side_px=MIN_SIDE_PX)
    if isinstance(opened, LeftOut):
        return opened
    data, decoded = opened
    pixels = through_chain(decoded.pixels)
    return Framed(
        image=image,
        sha256=write(out, pixels),
        source_sha256=hashlib.sha256(data).hexdigest(),
        source_format=decoded.format,
        source_size_px=decoded.size_px,
        source_bytes=len(data),
        fingerprint=duplicates.fingerprint(pixels),
    )


def read(path: Path, name: str, *, least_side_px: int) -> tuple[bytes, RgbImage] | LeftOut:
    """The file and what it shows, or why it is of no use."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return LeftOut(name, TOO_LARGE, f"more than {MAX_BYTES:,} bytes")
        data = path.read_bytes()
        decoded = images.decode(data, max_pixels=MAX_PIXELS)
    except PoisonError as error:
        return LeftOut(name, error.code, error.detail)
    except OSError as error:
        return LeftOut(name, UNREADABLE, error.strerror or "cannot be read")
    if min(decoded.size_px) < least_side_px:
        return LeftOut(name, TOO_SMALL, f"{decoded.size_px[0]} x {decoded.size_px[1]} px")
    return data, decoded


def through_chain(pixels: Image.Image) -> Image.Image:
    """The centre square of upright RGB pixels in the training frame."""
    square = _square(pixels.size)
    framed = pixels.resize((FRAME_PX, FRAME_PX), Image.Resampling.BICUBIC, box=square)
    stream = io.BytesIO()
    framed.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    with Image.open(stream, formats=("JPEG",)) as compressed:
        return compressed.convert("RGB")


def as_file(pixels: Image.Image) -> bytes:
    """A PNG without compression: its length says nothing of what it shows."""
    stream = io.BytesIO()
    pixels.save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def to_frame(corners: geometry.Corners, size: geometry.Size) -> geometry.Corners:
    """Where a box of the full-size upright image lies in the training frame; beyond it where it was cut off."""
    left, top, right, bottom = _square(size)
    x1, y1, x2, y2 = corners
    moved = (x1 - left, y1 - top, x2 - left, y2 - top)
    return geometry.rescale(moved, from_size=(right - left, bottom - top), to_size=(FRAME_PX, FRAME_PX))


def _square(size: geometry.Size) -> tuple[int, int, int, int]:
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return left, top, left + side, top + side


def write(out: Path, pixels: Image.Image) -> str:
    """The framed pixels under their file's digest, which is returned.

    Whole or not at all: another process may be writing the same digest.
    """
    data = as_file(pixels)
    sha256 = hashlib.sha256(data).hexdigest()
    path = out / tuples.file_of(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(data)
    os.utime(unfinished, WRITTEN_AT)
    unfinished.replace(path)
    return sha256
