"""Finds the page of a TIFF that is the picture; previews, masks and raw files of cameras are none."""

from dataclasses import dataclass

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.tiff.tags import Directory, Tag, TiffFile, read_chain

_REDUCED, _MASK, _DEPTH = 1, 4, 8
_SENSOR = {32803, 34892}
"""color filter array and linear raw"""
_MAX_SUB_DIRECTORIES = 16


@dataclass(frozen=True, slots=True)
class Page:
    """The page that is judged. `pages` counts those that are no reduced copies; `broken`: their chain does not end."""

    directory: Directory
    pages: int
    broken: bool


def find_page(file: TiffFile) -> Page:
    """Return the first page that is no reduced copy of another.

    Raises: ImageRefused for raw files, whose pages are previews, and where all is masks; ImageUndecodable for no page.
    """
    chain = list(read_chain(file))
    pages = [directory for directory in chain if directory and {Tag.WIDTH, Tag.LENGTH} <= directory.entries.keys()]
    if not pages:
        raise ImageUndecodable("the TIFF has no page")
    pictures = [page for page in pages if not _read_purpose(page) & (_REDUCED | _MASK | _DEPTH)]
    raw_file = _name_raw_file(file, pages[0], has_picture=bool(pictures))
    if raw_file:
        raise ImageRefused(f"{raw_file}: what its pages show is a preview")
    pictures = pictures or [page for page in pages if not _read_purpose(page) & (_MASK | _DEPTH)][:1]
    if not pictures:
        raise ImageRefused("a TIFF of masks alone")
    return Page(pictures[0], len(pictures), None in chain)


def _read_purpose(page: Directory) -> int:
    """Return the bits of NewSubfileType, also for the older SubfileType."""
    older = _REDUCED if page.read_number(Tag.SUBFILE_TYPE, 1) == 2 else 0
    return page.read_number(Tag.NEW_SUBFILE_TYPE, older)


def _name_raw_file(file: TiffFile, first: Directory, *, has_picture: bool) -> str | None:
    if Tag.DNG_VERSION in first.entries:
        return "a raw file of a camera (DNG)"
    if file.first_offset == 16 and file.data[8:10] == b"CR":
        return "a raw file of a camera (CR2)"
    if not has_picture and file.data[8:12] in (b"IIII", b"MMMM"):
        return "a raw file of a camera (IIQ)"
    offsets = first.read_numbers(Tag.SUB_DIRECTORIES)[:_MAX_SUB_DIRECTORIES]
    below = [file.read_directory(int(offset)) for offset in offsets]
    if any(page and page.read_number(Tag.PHOTOMETRIC, 0) in _SENSOR for page in below):
        return "a raw file of a camera (a sensor's samples below the first page)"
    if not has_picture and offsets.size:
        return "a TIFF that holds its picture below its first page"
    return None
