"""Reads JPEG files as browsers do: the first picture alone, and of a file that is cut short what it holds."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from PIL import Image, ImageChops

from pipeline.color.icc import IccProfile
from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import read_exif_orientation
from pipeline.decoding.pillow import open_file
from pipeline.errors import ImageRefused, ImageUndecodable

_MARKER = re.compile(rb"\xff([^\x00\xff])")  # any number of 255 may stand before a marker
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APP1, _APP2 = 0xE1, 0xE2
_NOT_OF_PIXELS = {*range(0xE1, 0xEE), 0xEF, 0xFE}
"""markers of applications and comments; those of JFIF (0xE0) and Adobe (0xEE) say what the samples mean"""
_SHORTEST = {0xE0: 14, 0xEE: 12}
"""bytes of a segment of JFIF or Adobe; decoders ignore a shorter one, and Pillow raises"""
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""markers that say how the pixels are coded; 0xF7 is that of JPEG-LS"""
_PROGRESSIVE = {0xC2, 0xCA}
_SHOWN = {0xC0, 0xC1, 0xC9} | _PROGRESSIVE
"""sequential and progressive frames, of Huffman or arithmetic codes; others are lossless or hierarchical"""
_WHITE: dict[str, int | tuple[int, ...]] = {"L": 255, "RGB": (255, 255, 255), "CMYK": (0, 0, 0, 0)}
_ONES = b"\xff\x00"  # eight bits of one, as they stand in the data of a scan
_MOST_OF_A_BLOCK = 24
"""pixels that a block of colors changes: its own, and those beside it if there are more pixels than samples"""


class _Segment(NamedTuple):
    """A marker at `start` and what follows it, without its length; a segment that is cut short has an `end` beyond."""

    marker: int
    body: bytes
    start: int
    end: int


def read_jpeg(data: bytes) -> Frame:
    """Read the first picture. Raises: ImageRefused for a coding that browsers do not show, ImageUndecodable."""
    *header, scan = _read_header(data)
    frame = next((segment for segment in header if segment.marker in _FRAMES), None)
    if frame is None or len(frame.body) < 6:
        raise ImageUndecodable("states no size before the first scan")
    bits, components = frame.body[0], frame.body[5]
    if frame.marker not in _SHOWN or bits != 8:
        kind = "sequential or progressive" if frame.marker in _SHOWN else "lossless or hierarchical"
        raise ImageRefused(f"a {kind} JPEG of {bits} bits a sample: browsers do not show it")
    pixels = _select_pixels(header, memoryview(data)[scan.start :])
    image = _load_whole(pixels)
    repaired = image is None
    if image is None:
        several_scans = frame.marker in _PROGRESSIVE or scan.body[0] < components
        image = _load_scans(pixels, components) if several_scans else _load_rows(pixels)
    profile = _join_profile(segment.body for segment in header if segment.marker == _APP2)
    return Frame(image, IccProfile(profile) if profile else None, _find_orientation(header), repaired=repaired)


def _walk_segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments of the first picture. The last one may be cut short."""
    at = 2
    while match := _MARKER.search(data, at):
        marker, at = match[1][0], match.end()
        if marker in (_SOI, _EOI):
            return
        if marker in _WITHOUT_LENGTH:
            continue
        start, length = match.end() - 2, max(2, int.from_bytes(data[at : at + 2]))
        yield _Segment(marker, data[at + 2 : at + length], start, at + length)
        at += length


def _read_header(data: bytes) -> list[_Segment]:
    """Return the segments that matter up to the start of the first scan, which is the last."""
    header = []
    for segment in _walk_segments(data):
        if segment.marker in (_APP1, _APP2) or segment.marker not in _NOT_OF_PIXELS:
            header.append(segment)
        if segment.marker == _SOS and segment.body and segment.end <= len(data):
            return header
    raise ImageUndecodable("ends before the first scan")


def _select_pixels(header: list[_Segment], scans: memoryview) -> bytes:
    """Return the file without what does not concern its pixels: Pillow raises on broken EXIF, for one."""
    parts = [bytes((0xFF, _SOI))]
    for segment in header:
        if segment.marker not in _NOT_OF_PIXELS and len(segment.body) >= _SHORTEST.get(segment.marker, 0):
            parts += bytes((0xFF, segment.marker)), (len(segment.body) + 2).to_bytes(2), segment.body
    return b"".join((*parts, scans))


def _load_whole(pixels: bytes) -> Image.Image | None:
    """Return None if the file is cut short or broken."""
    image = open_file(pixels, "JPEG")
    try:
        image.load()
    except OSError:
        return None
    return image


def _load_rows(pixels: bytes) -> Image.Image:
    """Load the rows of the only scan that are there, over white."""
    image = open_file(pixels, "JPEG")
    white = _WHITE[image.mode]
    image.im = Image.new(image.mode, image.size, white).im
    try:
        image.load()
    except OSError:
        image.tile = []  # nothing is left to be loaded
    if image.getcolors(1) == [(image.width * image.height, white)]:
        raise ImageUndecodable("holds no whole row of its picture")
    return image


def _load_scans(pixels: bytes, components: int) -> Image.Image:
    """Load the scans that are there. Each covers the whole picture, but for the one in which the file ends.

    The decoder completes the block in which the file ends from the bits that follow. Browsers paint this block as the
    scans before show it; if these do not show each component yet, they paint nothing from its row on.
    """
    seen: set[int] = set()
    has_components, last_scan, whole, end = False, 0, 0, len(pixels)
    for segment in _walk_segments(pixels):
        if segment.end > len(pixels):
            whole = end = segment.start
        else:
            whole = segment.end
            if segment.marker == _SOS:
                has_components, last_scan = len(seen) == components, segment.start
                seen.update(segment.body[1 : 1 + 2 * segment.body[0] : 2])
    if len(seen) < components:
        raise ImageUndecodable("ends before the first scan of each component")
    decoded = pixels[:end].rstrip(b"\xff")[:-1].rstrip(b"\xff")  # browsers need a byte more than what they decode
    decoded = max(decoded, pixels[:whole], key=len)
    image = _load_completed(decoded)
    ones = _ONES * (1 if has_components else 16)  # 16 reach into blocks that are blank otherwise
    other = _load_completed(decoded + ones)
    box = ImageChops.difference(image, other).getbbox()
    if box and not has_components:
        image.paste(_WHITE[image.mode], (0, box[1], *image.size))
    elif box and max(box[2] - box[0], box[3] - box[1]) <= _MOST_OF_A_BLOCK:
        image.paste(_load_completed(pixels[:last_scan]).crop(box), box)
    return image


def _load_completed(pixels: bytes) -> Image.Image:
    image = open_file(pixels + bytes((0xFF, _EOI)), "JPEG")
    image.load()
    return image


def _find_orientation(header: list[_Segment]) -> int:
    bodies = (segment.body for segment in header if segment.marker == _APP1)
    blocks = (body[6:] for body in bodies if body.startswith(b"Exif\0"))
    return read_exif_orientation(next(filter(None, blocks), b""))


def _join_profile(segments: Iterable[bytes]) -> bytes:
    """Join the parts of an ICC profile by their numbers; it is empty if one is missing, comes twice or disagrees."""
    parts: dict[int, bytes] = {}
    count = 0
    for body in segments:
        if not body.startswith(b"ICC_PROFILE\0") or len(body) <= 14:
            continue
        number, parts_in_all = body[12:14]
        count = count or parts_in_all
        if not 1 <= number <= count or parts_in_all != count or number in parts:
            return b""
        parts[number] = body[14:]
        if len(parts) == count:
            return b"".join(parts[number] for number in sorted(parts))
    return b""
