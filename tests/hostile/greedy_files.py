"""Images that Pillow alone would decode, if it had the time and the memory."""

from collections.abc import Iterator

from tests.hostile.entries import HostileImage
from tests.hostile.handmade import jpeg_of_scans, tiff_of_a_tile, tiff_of_directories

UNDECODABLE = ("image_undecodable",)
TOO_LARGE = ("image_too_large",)


def greedy_files() -> Iterator[HostileImage]:
    """Yield them; those marked slow take minutes on any machine of today."""
    data = jpeg_of_scans(2000, 1_800_000)
    reason = "29 MB of scans that each go through all pixels again"
    yield HostileImage("slow-jpeg-scans", reason, data, UNDECODABLE, slow=True)
    data = tiff_of_directories(250_000)
    yield HostileImage("many-tiff-pages", "counting a chain of pages ends at a bound", data, ("picture",))
    data = tiff_of_a_tile(16_384)
    yield HostileImage("memory-tiff-tile", "8 x 8 pixels out of a tile of 800 MB in 800 kB", data, TOO_LARGE)
