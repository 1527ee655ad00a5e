"""TIFF files of which a simple reader takes another picture than their tags say."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.hostile.entries import HostileImage, Picture
from tests.support.builders import build_noise
from tests.support.image_files.tiff import LONG, SHORT, TiffPage, Typed, build_page, build_tiff

NOISE = build_noise()
SAMPLES = np.asarray(NOISE).astype(int)
GRAY = SAMPLES[:, :, :1]
REDUCED: dict[int, Typed] = {254: (LONG, [1])}
COPY = build_page(np.zeros((3, 4, 3)), tags=REDUCED)


def tiff_pages() -> Iterator[HostileImage]:
    yield from _odd_samples()
    yield from _odd_chains()
    yield from _refused_pages()


def _odd_samples() -> Iterator[HostileImage]:
    gray, negative = (Image.fromarray(levels[:, :, 0].astype(np.uint8)) for levels in (GRAY, 255 - GRAY))
    for bits in (10, 12, 14, 16):
        levels = np.rint(GRAY * ((1 << bits) - 1) / 255).astype(int)
        for photometric, expected in ((0, negative), (1, gray)):
            data = build_tiff(build_page(levels, bits=bits, photometric=photometric))
            reason = "white is the highest level of these bits, or zero"
            yield HostileImage(f"tiff-gray{bits}-{photometric}", reason, data, Picture(expected, "tiff", tolerance=1))
    for planar in (False, True):
        data = build_tiff(build_page(np.dstack([SAMPLES, GRAY * 0]), planar=planar))
        reason = "a fourth sample that no tag names is no transparency"
        yield HostileImage(f"tiff-rgbx-{planar}", reason, data, Picture(NOISE, "tiff"))


def _odd_chains() -> Iterator[HostileImage]:
    picture = build_page(SAMPLES)
    expected = Picture(NOISE, "tiff")
    copy_first = build_tiff(COPY, picture, COPY)
    yield HostileImage("tiff-copy-first", "a smaller copy of another picture is no page", copy_first, expected)
    first = int.from_bytes(build_tiff(picture)[4:8], "little")
    for name, pointer in (("circle", first), ("beyond", 2**31)):
        data = build_tiff(picture, last_pointer=pointer)
        yield HostileImage(f"tiff-next-{name}", "a broken pointer to a next page", data, expected)
    odd = build_page(SAMPLES, tags={277: (SHORT, [999])})
    data = build_tiff(picture, odd)
    yield HostileImage("tiff-odd-second", "nobody looks at the second page", data, Picture(NOISE, "tiff", 2))


def _refused_pages() -> Iterator[HostileImage]:
    sensor = build_page(GRAY, tags={262: (SHORT, [32803])})
    raw = build_tiff(TiffPage(COPY.tags, COPY.segments, [sensor]))
    yield HostileImage("tiff-raw", "the picture of a raw file is below its preview", raw, ("image_refused",))
    for tag, value in ((259, 34712), (262, 32803), (262, 34892), (258, 32), (339, 2), (339, 3)):
        data = build_tiff(build_page(GRAY, tags={tag: (SHORT, [value])}))
        yield HostileImage(f"tiff-{tag}-{value}", "not judged, and not called broken", data, ("image_refused",))
