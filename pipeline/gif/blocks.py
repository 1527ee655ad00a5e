"""Finds the frames of a GIF file without unpacking them, and reads on until anything but a block comes."""

import struct
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.errors import ImageUndecodable
from pipeline.gif.codes import MOST_BITS

PALETTE_BYTES = 3 * 256
MOST_COUNTED = 100_000
"""frames of a file; reading ends there"""
_EXTENSION, _FRAME, _TRAILER = b"!", b",", b";"
_CONTROL = b"\xf9"
_HAS_PALETTE, _INTERLACED, _HAS_TRANSPARENCY = 0x80, 0x40, 0x01


@dataclass(frozen=True, slots=True)
class GifFrame:
    """One frame as it is packed. `palette` has 256 colors, black where the file has none; `blocks` hold the codes."""

    at: tuple[int, int]
    size_px: tuple[int, int]
    palette: bytes
    transparent: int | None
    disposal: int
    interlaced: bool
    bits: int
    blocks: bytes


@dataclass(slots=True)
class GifFile:
    """`frames` are the first ones of `count`. `whole`: as far as it is read, the file ends with a trailer."""

    size_px: tuple[int, int]
    frames: list[GifFrame] = field(default_factory=list)
    count: int = 0
    whole: bool = False


def read_blocks(data: bytes, *, most_frames: int) -> GifFile:
    """Read a file as far as it is well formed. Raises: ImageUndecodable if its head is not."""
    reader = _Reader(data)
    try:
        if reader.take(6) not in (b"GIF87a", b"GIF89a"):
            raise ImageUndecodable("a GIF of another version than 87a and 89a")
        width, height, flags, _, _ = struct.unpack("<HHBBB", reader.take(7))
        palette = reader.take_palette(flags)
    except EOFError as error:
        raise ImageUndecodable("a GIF that ends within its head") from error
    file = GifFile((width, height))
    with suppress(EOFError):
        _read_frames(reader, palette, file, most_frames)
    return file


class _Reader:
    """Reads bytes from the front of a file. Raises: EOFError where the file is cut short or broken."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise EOFError
        self._at += count
        return taken

    def take_palette(self, flags: int) -> bytes:
        """Return a palette with all of its colors, or nothing where the flags announce none."""
        return self.take(6 << (flags & 7)).ljust(PALETTE_BYTES, b"\0") if flags & _HAS_PALETTE else b""

    def take_blocks(self) -> bytes:
        """Return blocks of data with their lengths, without the empty one that ends them.

        Where the file ends within a block, that block gets the length of what came.
        """
        data, start = self._data, self._at
        at, end = start, len(data)
        while at < end and data[at]:
            if at + data[at] >= end:
                self._at = end
                return data[start:at] + bytes([end - at - 1]) + data[at + 1 :]
            at += data[at] + 1
        self._at = at + 1
        return data[start:at]


def _read_frames(reader: _Reader, screen_palette: bytes, file: GifFile, most_frames: int) -> None:
    transparent, disposal = None, 0
    while file.count < MOST_COUNTED:
        kind = reader.take(1)
        if kind == _FRAME:
            frame = _read_frame(reader, screen_palette, transparent, disposal)
            file.count += 1
            if file.count <= most_frames:
                file.frames.append(frame)
            if frame.bits > MOST_BITS:
                return
            transparent, disposal = None, 0
        elif kind == _EXTENSION and reader.take(1) == _CONTROL:
            transparent, disposal = _read_control(reader)
        elif kind == _EXTENSION:
            reader.take_blocks()
        else:
            file.whole = kind == _TRAILER
            return
    file.whole = True


def _read_control(reader: _Reader) -> tuple[int | None, int]:
    """Return the index that is transparent in the next frame, and what becomes of the frame afterwards."""
    length, flags, _, transparent, end = struct.unpack("<BBHBB", reader.take(6))
    if (length, end) != (4, 0):
        raise EOFError
    return transparent if flags & _HAS_TRANSPARENCY else None, flags >> 2 & 7


def _read_frame(reader: _Reader, screen_palette: bytes, transparent: int | None, disposal: int) -> GifFrame:
    left, top, width, height, flags = struct.unpack("<HHHHB", reader.take(9))
    palette = reader.take_palette(flags) or screen_palette or bytes(PALETTE_BYTES)
    (bits,) = reader.take(1)
    return GifFrame(
        at=(left, top),
        size_px=(width, height),
        palette=palette,
        transparent=transparent,
        disposal=disposal,
        interlaced=bool(flags & _INTERLACED),
        bits=bits,
        blocks=reader.take_blocks(),
    )
