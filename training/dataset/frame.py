"""Bring a file into the training frame, by one codec chain for both classes, so that no format reveals the label.

Upright sRGB as the worker decodes it, the frame, one JPEG step, and then the pixels as a file without compression and
metadata, whose length is that of the picture's size. The JPEG step puts the same compression on camera files and on
generators' lossless ones.
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

from pipeline import images
from pipeline.errors import DECODING_ERRORS, ImageTooLarge
from pipeline.geometry import Size
from pipeline.sandbox.decoder import Decoder
from pipeline.verdict import RgbImage
from training.dataset import duplicates, placement
from training.dataset.duplicates import Fingerprint
from training.dataset.labeled_image import LabeledImage, Provenance
from training.dataset.left_out import REPAIRED, UNREADABLE, LeftOut
from training.dataset.matched_sizes import SizedImage
from training.dataset.placement import Frame, Placement

MAX_PIXELS = 64_000_000
MAX_BYTES = 200_000_000
MIN_SIDE_PX = 64
TOO_SMALL, TOO_LARGE = "image_too_small", ImageTooLarge("").code
JPEG_QUALITY = 95
DECODING_DEADLINE_S = 60
MEMORY_LIMIT_MIB = 4096
WRITTEN_AT = (0, 0)  # the modification times of files written in sequence would reveal the classes


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """How a set is framed.

    With `match_sizes` both classes are brought to the same sizes first. `max_pixels` bounds images of the frame `full`.
    `keep_repaired` also takes broken files.
    """

    frame: Frame = "full"
    match_sizes: bool = True
    max_pixels: int = placement.FULL_MAX_PIXELS
    keep_repaired: bool = False


@dataclass(frozen=True, slots=True)
class FrameJob:
    """An image of a source, and the size that it has in common with images of the other class, if sizes are matched."""

    image: LabeledImage
    matched_px: Size | None = None


@dataclass(frozen=True, slots=True)
class FramedImage:
    """A framed file on disk: the image as its source lists it, its place, and the provenance of the new file."""

    image: LabeledImage
    provenance: Provenance
    fingerprint: Fingerprint
    placement: Placement

    @property
    def digest(self) -> str:
        """The digest that names the framed file."""
        return self.provenance.sha256


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """An image of a source and its size in the frame, before sizes are matched."""

    image: LabeledImage
    sized: SizedImage

    @property
    def digest(self) -> str:
        """The digest of the full-size pixels."""
        return self.sized.digest


def measure_image(source: Path, options: FrameOptions, image: LabeledImage) -> MeasuredImage | LeftOut:
    """Return an image's size in the frame, or why it is left out."""
    opened = open_usable(source, image, options)
    if isinstance(opened, LeftOut):
        return opened
    pixels = opened[1].pixels
    size = placement.limit_size(pixels.size, options.max_pixels)
    return MeasuredImage(image, SizedImage(image.label, size, images.digest_pixels(pixels)))


def frame_image(source: Path, out: Path, options: FrameOptions, job: FrameJob) -> FramedImage | LeftOut:
    """Frame an image of the set in `source` and write it below `out`, or return why it is left out."""
    opened = open_usable(source, job.image, options)
    if isinstance(opened, LeftOut):
        return opened
    data, decoded = opened
    placed = placement.place_in_frame(
        decoded.size_px, options.frame, matched_px=job.matched_px, max_pixels=options.max_pixels
    )
    fingerprint = duplicates.compute_fingerprint(apply_codec_chain(decoded.pixels))
    provenance = Provenance(
        sha256=write_frame(out, render_frame(decoded.pixels, placed)),
        width_px=placed.frame_px[0],
        height_px=placed.frame_px[1],
        repaired=decoded.repaired,
        source_file=job.image.file,
        source_sha256=hashlib.sha256(data).hexdigest(),
        source_format=decoded.format,
        source_width_px=decoded.size_px[0],
        source_height_px=decoded.size_px[1],
        source_bytes=len(data),
        perceptual_hash=fingerprint.upright,
    )
    return FramedImage(job.image, provenance, fingerprint, placed)


def open_usable(source: Path, image: LabeledImage, options: FrameOptions) -> tuple[bytes, RgbImage] | LeftOut:
    """Return the file's bytes and image, or why it is left out: a cut picture would teach that cuts mean its class."""
    opened = open_untrusted(source / image.file, image.file, least_side_px=MIN_SIDE_PX)
    if not isinstance(opened, LeftOut) and opened[1].repaired and not options.keep_repaired:
        return LeftOut(image.file, REPAIRED, "the file is broken, and shown as viewers show it")
    return opened


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
    """Return upright RGB pixels in the frame `512`, in which pictures are compared whatever the frame of their set."""
    return render_frame(pixels, placement.place_in_frame(pixels.size, "512"))


def render_frame(pixels: Image.Image, placed: Placement) -> Image.Image:
    """Return upright RGB pixels in their frame, after the JPEG step."""
    framed = pixels.resize(placed.scaled_px, Image.Resampling.BICUBIC, box=placed.window.corners)
    if placed.scaled_px != placed.frame_px:
        framed = framed.resize(placed.frame_px, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    framed.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    with Image.open(stream, formats=("JPEG",)) as compressed:
        return compressed.convert("RGB")


def encode_frame(pixels: Image.Image) -> bytes:
    """Encode as PNG without compression, so that the file's length does not depend on the content."""
    stream = io.BytesIO()
    pixels.save(stream, "PNG", compress_level=0)
    return stream.getvalue()


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
