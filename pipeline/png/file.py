"""Says what the chunks of a PNG file mean to browsers: size, colors, and the pictures that it holds.

Browsers ignore ancillary chunks that are broken, and paint the pictures that came before a broken critical one.
Source: PNG specification, third edition; the decoder of Chromium 156 where a file breaks its rules.
"""

import struct
from dataclasses import dataclass, field

from pipeline.errors import ImageTooLarge, ImageUndecodable
from pipeline.png.chunks import SIGNATURE, Chunk, walk_chunks

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
DISPOSE_BACKGROUND, DISPOSE_PREVIOUS = 1, 2
BLEND_OVER = 1
_MAX_SIDE = 1_000_000
_MAX_COUNT = 0x7FFFFFFF
_LENGTHS = {
    b"tRNS": range(1, 257),
    b"gAMA": (4,),
    b"cHRM": (32,),
    b"sRGB": (1,),
    b"cICP": (4,),
    b"acTL": (8,),
    b"pHYs": (9,),
    b"bKGD": range(1, 7),
    b"sBIT": range(1, 5),
    b"mDCV": (24,),
    b"cLLI": (8,),
}
"""of ancillary chunks, which are ignored if they have another length"""
_NOTES = (b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"acTL", b"iCCP", b"eXIf", b"mDCV", b"cLLI")
_LEAST_TRANSPARENCY = {GRAY: 2, RGB: 6, PALETTE: 1}
"""bytes of tRNS, by color type"""


@dataclass(frozen=True, slots=True)
class Header:
    width: int
    height: int
    depth: int
    color_type: int
    is_interlaced: bool


@dataclass(slots=True, eq=False)
class Picture:
    """A picture with its packed rows, and its place on the canvas of the file.

    `ends_with_file`: no chunk follows its data, so browsers still wait for the rest, and show every row that came.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    dispose: int = 0
    blend: int = 0
    parts: list[memoryview] = field(default_factory=list)
    ends_with_file: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PngFile:
    """`notes` are the valid ancillary chunks before the pixels. `frames` are the pictures that browsers show."""

    header: Header
    palette: bytes | None
    notes: dict[bytes, bytes]
    frames: list[Picture]
    is_broken: bool

    @property
    def is_animated(self) -> bool:
        return b"acTL" in self.notes


def read_file(data: bytes) -> PngFile:
    """Read the chunks up to the end, or to the first that stops browsers. Raises: ImageTooLarge, ImageUndecodable."""
    if not data.startswith(SIGNATURE):
        raise ImageUndecodable("the signature of PNG is broken")
    chunks = walk_chunks(data)
    reader, end = _Reader(_read_header(next(chunks, None))), 0
    try:
        for chunk in chunks:
            reader.read(chunk)
            end = chunk.end
    except ImageUndecodable:
        reader.is_broken = True
        if not reader.pictures:
            raise
    if not reader.pictures:
        raise ImageUndecodable("the file ends before its pixels")
    if reader.current is not None:
        reader.current.ends_with_file = True
    is_broken = reader.is_broken or not reader.has_end or end != len(data)
    return PngFile(reader.header, reader.palette, reader.notes, reader.list_frames(), is_broken)


def _read_header(chunk: Chunk | None) -> Header:
    if chunk is None or chunk.kind != b"IHDR" or not chunk.is_crc_right or len(chunk.content) != 13:
        raise ImageUndecodable("IHDR is missing or broken")
    width, height, depth, color_type, compression, filters, interlace = struct.unpack(">IIBBBBB", chunk.content)
    if max(width, height) > _MAX_SIDE:
        raise ImageTooLarge(f"{width} x {height} pixels: browsers show at most {_MAX_SIDE} a side")
    if not (width and height) or depth not in DEPTHS.get(color_type, ()):
        raise ImageUndecodable(f"IHDR states {width} x {height}, {depth} bits, color type {color_type}")
    if compression or filters or interlace > 1:
        raise ImageUndecodable("IHDR states an unknown method")
    return Header(width, height, depth, color_type, bool(interlace))


class _Reader:
    """Takes one chunk behind the header after the other; `current` is the picture whose data the next may continue."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.palette: bytes | None = None
        self.notes: dict[bytes, bytes] = {}
        self.pictures: list[Picture] = []
        self.current: Picture | None = None
        self.has_end = False
        self.is_broken = False
        self._is_default_hidden = False
        self._control: Picture | None = None
        self._sequence = -1

    def list_frames(self) -> list[Picture]:
        """List the frames that are shown, at most as many as the animation states; of a still file, its picture."""
        if b"acTL" not in self.notes:
            return self.pictures[:1]
        first = 1 if self._is_default_hidden else 0
        return self.pictures[first : first + int.from_bytes(self.notes[b"acTL"][:4])]

    def read(self, chunk: Chunk) -> None:
        """Take the next chunk. Raises: ImageUndecodable for one that stops browsers."""
        if chunk.kind == b"IDAT":
            self._add_default_data(chunk)
        elif chunk.kind == b"fdAT":
            self._add_frame_data(chunk)
        else:
            self.current = None
            if chunk.is_cut:
                raise ImageUndecodable(f"the file ends within the chunk {chunk.kind!r}")
            if chunk.is_critical:
                self._read_critical(chunk)
            else:
                self._read_ancillary(chunk)

    def _add_default_data(self, chunk: Chunk) -> None:
        if not self.pictures:
            self._is_default_hidden = self._control is None
            self._open_picture(self._control or Picture(self.header.width, self.header.height))
        if self.current is not self.pictures[0]:
            raise ImageUndecodable("the data of a picture goes on behind another chunk")
        if chunk.content:
            self.current.parts.append(chunk.content)
        if not chunk.is_crc_right and not chunk.is_cut:
            self.current = None
            raise ImageUndecodable("the checksum of IDAT is wrong")

    def _add_frame_data(self, chunk: Chunk) -> None:
        if self._control is not None and self.pictures:
            self._open_picture(self._control)
        if self.current is None or self.current is self.pictures[0]:
            self.current = None
            raise ImageUndecodable("the data of a frame follows no fcTL")
        if chunk.is_cut and len(chunk.content) < 4:
            return
        self._sequence += 1
        if int.from_bytes(chunk.content[:4]) != self._sequence or len(chunk.content) < 4:
            self.current = None
            raise ImageUndecodable("the data of an animation is out of order")
        self.current.parts.append(chunk.content[4:])
        self.is_broken |= not chunk.is_crc_right

    def _open_picture(self, picture: Picture) -> None:
        self.pictures.append(picture)
        self.current, self._control = picture, None

    def _read_critical(self, chunk: Chunk) -> None:
        length = len(chunk.content)
        if chunk.kind == b"IEND" and chunk.is_crc_right and not length:
            self.has_end = True
        elif chunk.kind == b"PLTE" and chunk.is_crc_right and self.palette is None and 3 <= length <= 768:
            if not self.pictures:
                self.palette = bytes(chunk.content[: length // 3 * 3])
        else:
            raise ImageUndecodable(f"the critical chunk {chunk.kind!r} is broken or unknown")

    def _read_ancillary(self, chunk: Chunk) -> None:
        length = len(chunk.content)
        if not chunk.is_crc_right or length not in _LENGTHS.get(chunk.kind, (length,)):
            self.is_broken = True
        elif chunk.kind == b"fcTL":
            self._read_control(chunk.content)
        elif chunk.kind in _NOTES and not self.pictures:
            content = bytes(chunk.content)
            if chunk.kind not in self.notes and self._is_valid(chunk.kind, content):
                self.notes[chunk.kind] = content
            else:
                self.is_broken = True

    def _read_control(self, content: memoryview) -> None:
        if len(content) != 26:
            raise ImageUndecodable("fcTL is broken")
        sequence, width, height, left, top, _, dispose, blend = struct.unpack(">5IIBB", content)
        self._sequence += 1
        if sequence != self._sequence or dispose > DISPOSE_PREVIOUS or blend > BLEND_OVER:
            raise ImageUndecodable("fcTL is out of order")
        if not (width and height) or left + width > self.header.width or top + height > self.header.height:
            raise ImageUndecodable("a frame lies outside of the picture")
        if not self.pictures and (width, height) != (self.header.width, self.header.height):
            raise ImageUndecodable("the first frame is not as large as the picture")
        self._control = Picture(width, height, left, top, dispose, blend)

    def _is_valid(self, kind: bytes, content: bytes) -> bool:
        """Say whether browsers obey this chunk. Raises: ImageUndecodable where a broken one stops them."""
        if kind == b"acTL":
            frames, plays = struct.unpack(">II", content)
            return 0 < int(frames) <= _MAX_COUNT and int(plays) <= _MAX_COUNT
        if kind == b"tRNS":
            least = _LEAST_TRANSPARENCY.get(self.header.color_type)
            is_early = self.header.color_type == PALETTE and self.palette is None
            return least is not None and len(content) >= least and not is_early
        if kind == b"cICP" and (content[2] or content[3] > 1):
            raise ImageUndecodable("cICP is broken")
        if kind in (b"cICP", b"mDCV"):
            return self.palette is None
        return {b"sRGB": content[:1] <= b"\3", b"gAMA": any(content)}.get(kind, True)
