"""Reads BMP files as browsers do: of a file that is cut short the rows that it holds."""

from PIL import Image

from pipeline.bmp.header import BmpHeader, Compression, read_header
from pipeline.bmp.palette import read_palette
from pipeline.bmp.rows import unpack_rows
from pipeline.bmp.runs import unpack_runs
from pipeline.color.icc import IccProfile
from pipeline.decoding.frame import Frame
from pipeline.errors import ImageUndecodable
from pipeline.pixel_limit import check_size

_RUNS = (Compression.RUNS_4, Compression.RUNS_8, Compression.RUNS_24)


def read_bmp(data: bytes) -> Frame:
    """Read the picture. Raises: ImageRefused for pixels that browsers do not show, ImageTooLarge, ImageUndecodable."""
    header = read_header(data)
    check_size(header.size_px)
    color = _read_profile(data, header)
    palette = read_palette(data, header) if header.palette else b""
    unpack = unpack_runs if header.compression in _RUNS else unpack_rows
    pixels = unpack(data, header, palette)
    is_whole = pixels.size == header.size_px
    return Frame(pixels if is_whole else _add_missing_rows(pixels, header), color, repaired=not is_whole)


def _read_profile(data: bytes, header: BmpHeader) -> IccProfile | None:
    if header.profile is None:
        return None
    start, end = header.profile
    if end > len(data):
        raise ImageUndecodable("ends before the end of its color profile")
    return IccProfile(data[start:end])


def _add_missing_rows(pixels: Image.Image, header: BmpHeader) -> Image.Image:
    """Return the whole picture, transparent where the file holds no rows."""
    whole = Image.new("RGBA", header.size_px)
    whole.paste(pixels.convert("RGBA"), (0, 0 if header.is_top_down else whole.height - pixels.height))
    return whole
