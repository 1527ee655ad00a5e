"""Checks what a decoder process says of an image against the file, the header and the limit.

The pixels themselves cannot be checked. What is checked here bounds the memory that a liar can make the parent use, and
keeps what cannot be out of the verdict.
"""

from pipeline.decoding.formats import find_format
from pipeline.geometry import Size
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.header import read_size


def check_size(size_px: Size, *, known_px: Size | None, max_pixels: int) -> None:
    """Refuse a size beyond the limit, or another than is known. Raises: ValueError."""
    if size_px[0] * size_px[1] > max_pixels or known_px not in (None, size_px):
        raise ValueError(f"the process says that the image has {size_px[0]} x {size_px[1]} pixels")


def check_file(reply: Reply, data: bytes) -> None:
    """Refuse a format, frames or a size that the file does not have. Raises: ValueError."""
    file_format = find_format(data)
    if reply.format != file_format:
        raise ValueError(f"the process says that the file is {reply.format}; it is {file_format}")
    if reply.frames > len(data):
        raise ValueError(f"the process says that {len(data)} bytes hold {reply.frames} frames")
    header_px = read_size(data, file_format)
    if header_px and sorted(header_px) != sorted(reply.size_px):  # either way up
        raise ValueError(f"the process says {reply.size_px}; the header says {header_px}")
