"""The entries of the hostile corpus: the input, its reason, and the allowed outcomes."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

MAX_PIXELS = 4_000_000
"""the cap in pixels that the corpus is written against"""
MAX_BYTES = 32 * 1024 * 1024
"""the cap in bytes; only the fetch holds it, so larger files have no business in the decoder"""


@dataclass(frozen=True)
class Picture:
    """A decoded image: its pixels may differ from `pixels` by `tolerance` in each channel, where that is not None."""

    pixels: Image.Image
    format: str
    frames: int = 1
    tolerance: int | None = 0

    def differs(self, pixels: Image.Image, file_format: str, frames: int) -> str | None:
        """What is wrong with a decoded image, None when nothing is."""
        got, wanted = (pixels.size, file_format, frames), (self.pixels.size, self.format, self.frames)
        if got != wanted:
            return f"{got} instead of {wanted}"
        if self.tolerance is not None:
            off = int(np.abs(np.asarray(pixels).astype(int) - np.asarray(self.pixels.convert("RGB"))).max())
            if off > self.tolerance:
                return f"a channel differs by {off}, at most {self.tolerance} is allowed"
        return None


@dataclass(frozen=True)
class HostileImage:
    """An image with `expected`, the picture or the code of its dead letter.

    Several codes stand there if each is right, and `picture` beside them if a verdict is right too. `slow`: only a
    deadline ends its decoding.
    """

    name: str
    reason: str
    content: bytes = field(repr=False)
    expected: Picture | tuple[str, ...]
    slow: bool = False

    @property
    def expected_codes(self) -> tuple[str, ...]:
        return () if isinstance(self.expected, Picture) else self.expected


Expected = tuple[tuple[str, str] | str, ...] | str


@dataclass(frozen=True)
class HostileEvent:
    """`expected`: the objects that are asked for and the codes of refused entries, in order; or the record's code.

    Nothing is expected of a record that is ignored.
    """

    name: str
    reason: str
    value: bytes | None = field(repr=False)
    expected: Expected
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True)
class HostileAnswer:
    """`query` is `scan` or `check`; `expected` is verdict, boxes and explanation, or None where it is unreadable."""

    name: str
    reason: str
    query: str
    text: str = field(repr=False)
    expected: tuple[str, list[tuple[int, int, int, int]], str] | None
    truncated: bool = False
