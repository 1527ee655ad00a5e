"""Bring a file into the training frame, by one codec chain for both classes, so that no format reveals the label.

Upright sRGB as the worker decodes it, the centre square, 512 x 512, one JPEG step, and then the pixels as a file of
fixed length without metadata. The JPEG step puts the same compression on camera files and on generators' lossless ones.
"""

import atexit
import hashlib
import io
import os
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from pipeline import geometry
from pipeline.errors import DECODING_ERRORS, ImageTooLarge
from pipeline.sandbox.decoder import Decoder
from pipeline.verdict import RgbImage
from training.dataset import duplicates
from training.dataset.duplicates import Fingerprint
from training.dataset.labeled_image import LabeledImage, Provenance
from training.dataset.left_out import UNREADABLE, LeftOut

FRAME_PX = 512
"""side of the training frame"""
MAX_PIXELS = 64_000_000
MAX_BYTES = 200_000_000
MIN_SIDE_PX = 64
TOO_SMALL, TOO_LARGE = "image_too_small", ImageTooLarge("").code
JPEG_QUALITY = 95
DECODING_DEADLINE_S = 60
MEMORY_LIMIT_MIB = 4096
WRITTEN_AT = (0, 0)  # the modification times of files written in sequence would reveal the classes


@dataclass(frozen=True, slots=True)
class FramedImage:
    """A framed file on disk: the image as its source lists it, and the provenance of the new file."""

    image: LabeledImage
    provenance: Provenance
    fingerprint: Fingerprint


def frame_image(source: Path, out: Path, image: LabeledImage) -> FramedImage | LeftOut:
    """Frame an image of the set in `source` and write it below `out`, or return why it is left out."""
    opened = open_untrusted(source / image.file, image.file, least_side_px=MIN_SIDE_PX)
    if isinstance(opened, LeftOut):
        return opened
    data, decoded = opened
    pixels = apply_codec_chain(decoded.pixels)
    fingerprint = duplicates.compute_fingerprint(pixels)
    provenance = Provenance(
        sha256=write_frame(out, pixels),
        source_file=image.file,
        source_sha256=hashlib.sha256(data).hexdigest(),
        source_format=decoded.format,
        source_width_px=decoded.size_px[0],
        source_height_px=decoded.size_px[1],
        source_bytes=len(data),
        perceptual_hash=fingerprint.upright,
    )
    return FramedImage(image, provenance, fingerprint)


def open_untrusted(path: Path, name: str, *, least_side_px: int) -> tuple[bytes, RgbImage] | LeftOut:
    """Return the file's bytes and image, or why it is left out; a decoder process does the decoding."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return LeftOut(name, UNREADABLE, "no regular file")
        if status.st_size > MAX_BYTES:
            return LeftOut(name, TOO_LARGE, f"more than {MAX_BYTES:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        return LeftOut(name, UNREADABLE, error.strerror or "cannot be read")
    try:
        decoded = _get_decoder().decode(data)
    except DECODING_ERRORS as error:
        return LeftOut(name, error.code, error.detail)
    if min(decoded.size_px) < least_side_px:
        return LeftOut(name, TOO_SMALL, f"{decoded.size_px[0]} x {decoded.size_px[1]} px")
    return data, decoded


@cache
def _get_decoder() -> Decoder:
    """Return the decoder of this process; it starts at the first call and ends with the process."""
    decoder = Decoder(max_pixels=MAX_PIXELS, memory_limit_mib=MEMORY_LIMIT_MIB, deadline_s=DECODING_DEADLINE_S)
    atexit.register(decoder.close)
    return decoder


def apply_codec_chain(pixels: Image.Image) -> Image.Image:
    """Return the centre square of upright RGB pixels in the training frame."""
    square = _find_square(pixels.size)
    framed = pixels.resize((FRAME_PX, FRAME_PX), Image.Resampling.BICUBIC, box=square)
    stream = io.BytesIO()
    framed.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    with Image.open(stream, formats=("JPEG",)) as compressed:
        return compressed.convert("RGB")


def encode_frame(pixels: Image.Image) -> bytes:
    """Encode as PNG without compression, so that the file's length does not depend on the content."""
    stream = io.BytesIO()
    pixels.save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def map_to_frame(corners: geometry.Corners, size: geometry.Size) -> geometry.Corners:
    """Map a box of the full-size upright image to the training frame; it may reach beyond the frame."""
    left, top, right, bottom = _find_square(size)
    x1, y1, x2, y2 = corners
    moved = (x1 - left, y1 - top, x2 - left, y2 - top)
    return geometry.rescale(moved, from_size=(right - left, bottom - top), to_size=(FRAME_PX, FRAME_PX))


def _find_square(size: geometry.Size) -> tuple[int, int, int, int]:
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return left, top, left + side, top + side


def locate_frame(sha256: str) -> str:
    """Return the path of a framed file within its set; files are named by their digests."""
    return f"images/{sha256[:2]}/{sha256}.png"


def write_frame(out: Path, pixels: Image.Image) -> str:
    """Write the framed pixels and return the digest that names their file.

    The file appears whole or not at all: another process may be writing the same one.
    """
    data = encode_frame(pixels)
    sha256 = hashlib.sha256(data).hexdigest()
    path = out / locate_frame(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(data)
    os.utime(unfinished, WRITTEN_AT)
    unfinished.replace(path)
    return sha256
