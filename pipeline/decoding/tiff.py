"""Reads TIFF files."""

from pipeline.color.icc import IccProfile
from pipeline.decoding.frame import Frame
from pipeline.tiff.colors import read_pixels
from pipeline.tiff.layout import CIELAB, ICCLAB, read_layout
from pipeline.tiff.pages import find_page
from pipeline.tiff.tags import SHORT, Directory, Tag, TiffFile


def read_tiff(data: bytes) -> Frame:
    """Read the first page that is no reduced copy. Browsers do not show TIFF: its tags say what is right.

    Raises: ImageRefused, ImageTooLarge, ImageUndecodable.
    """
    page = find_page(TiffFile(data))
    layout = read_layout(page.directory)
    pixels = read_pixels(page.directory, layout)
    profile = b"" if layout.photometric in (CIELAB, ICCLAB) else page.directory.read_bytes(Tag.ICC_PROFILE)
    color = IccProfile(profile, keeps_black=True) if profile else None
    return Frame(pixels, color, _read_orientation(page.directory), page.pages, repaired=page.broken)


def _read_orientation(page: Directory) -> int:
    is_short = Tag.ORIENTATION in page.entries and page.entries[Tag.ORIENTATION].type == SHORT
    orientation = page.read_number(Tag.ORIENTATION, 1) if is_short else 1
    return orientation if orientation in range(1, 9) else 1
