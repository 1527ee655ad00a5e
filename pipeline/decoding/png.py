"""Reads PNG files, still and animated."""

import zlib
from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from pipeline.color.coded import read_cicp, read_gama_and_chrm, read_peak_nits
from pipeline.color.icc import IccProfile, read_profile
from pipeline.color.srgb import Color
from pipeline.decoding.animation import choose_frame
from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import read_exif_orientation
from pipeline.pixel_limit import check_size
from pipeline.png.file import BLEND_OVER, DISPOSE_BACKGROUND, DISPOSE_PREVIOUS, Picture, PngFile, read_file
from pipeline.png.pixels import unpack_pixels

_MAX_PROFILE_BYTES = 8 * 1024 * 1024
_CLEAR = (0, 0, 0, 0)


def read_png(data: bytes) -> Frame:
    """Read the frame that is judged. Raises: ImageUndecodable, ImageTooLarge."""
    file = read_file(data)
    size = (file.header.width, file.header.height)
    check_size(size)
    color = _find_color(file.notes)
    orientation = _read_orientation(file.notes.get(b"eXIf", b""))
    if not file.is_animated:
        unpacked = unpack_pixels(file, file.frames[0])
        return Frame(unpacked.pixels, color, orientation, repaired=file.is_broken or unpacked.is_broken)
    if not file.frames:  # an animation without frames: browsers leave its place empty
        return Frame(Image.new("LA", size), color, orientation, repaired=True)
    composer = _Composer(file)
    number, pixels = choose_frame(composer.compose(), color)
    repaired = file.is_broken or composer.has_broken_frame
    return Frame(pixels, color, orientation, frames=len(file.frames), frame=number, repaired=repaired)


def _find_color(notes: dict[bytes, bytes]) -> Color | None:
    """Return the color by the first of cICP, iCCP, sRGB and gAMA with cHRM that browsers can read."""
    if b"cICP" in notes and (coded := read_cicp(notes[b"cICP"])):
        return replace(coded, peak_nits=read_peak_nits(notes.get(b"cLLI"), notes.get(b"mDCV")))
    if b"iCCP" in notes and (profile := _unpack_profile(notes[b"iCCP"])):
        return profile
    if b"sRGB" in notes:
        return None
    return read_gama_and_chrm(notes.get(b"gAMA"), notes.get(b"cHRM"))


def _unpack_profile(content: bytes) -> IccProfile | None:
    """Return the profile of an iCCP chunk, None if browsers ignore it."""
    name, _, packed = content.partition(b"\0")
    if not 1 <= len(name) <= 79 or packed[:1] != b"\0":
        return None
    try:
        profile = zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return IccProfile(profile, any_space=True) if read_profile(profile) is not None else None


def _read_orientation(exif: bytes) -> int:
    """Return the orientation of an eXIf chunk, which opens without the `Exif` of other formats."""
    return 1 if exif.startswith(b"Exif") else read_exif_orientation(exif)


class _Composer:
    """Composes the frames of an animation, each on what its forerunners left."""

    def __init__(self, file: PngFile) -> None:
        self._file = file
        self.has_broken_frame = False

    def compose(self) -> Iterator[Image.Image]:
        """Yield each frame as a whole picture, of mode LA or RGBA."""
        header = self._file.header
        canvas = Image.new("RGBA", (header.width, header.height))
        for number, picture in enumerate(self._file.frames):
            before = canvas.copy() if picture.dispose == DISPOSE_PREVIOUS else None
            pixels, is_gray = self._unpack(picture)
            box = (picture.left, picture.top, picture.left + picture.width, picture.top + picture.height)
            if number and picture.blend == BLEND_OVER:
                canvas.alpha_composite(pixels, box[:2])
            else:
                canvas.paste(pixels, box)
            yield canvas.convert("LA") if is_gray else canvas.copy()
            if before is not None:
                canvas = before
            elif picture.dispose == DISPOSE_BACKGROUND:
                canvas.paste(_CLEAR, box)

    def _unpack(self, picture: Picture) -> tuple[Image.Image, bool]:
        unpacked = unpack_pixels(self._file, picture)
        self.has_broken_frame |= unpacked.is_broken
        return unpacked.pixels.convert("RGBA"), unpacked.pixels.mode in ("L", "LA")
