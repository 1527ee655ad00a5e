from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.tiff.colors import read_pixels
from pipeline.tiff.layout import read_layout
from pipeline.tiff.tags import TiffFile
from tests.support.builders import build_noise
from tests.support.image_files.tiff import RATIONAL, SHORT, Samples, TiffPage, Typed, build_page, build_tiff

ALL_BITS = range(1, 17)


def read(page: TiffPage) -> Image.Image:
    file = TiffFile(build_tiff(page))
    directory = file.read_directory(file.first_offset)
    assert directory is not None
    return read_pixels(directory, read_layout(directory))


def read_one(levels: list[int], **options: object) -> tuple[str, tuple[int, ...]]:
    """Return mode and levels of a pixel with these samples."""
    pixels = read(build_page(np.array([[levels]]), **options))  # type: ignore[arg-type] # options of build_page
    found = pixels.getpixel((0, 0))
    return pixels.mode, found if isinstance(found, tuple) else (int(found or 0),)


def build_noise_samples(count: int, bits: int = 8) -> Samples:
    return np.random.default_rng(count).integers(0, 1 << bits, (21, 37, count))


# Gray and RGB


@pytest.mark.parametrize("bits", ALL_BITS)
@pytest.mark.parametrize("photometric", [0, 1])
def test_gray_of_any_bits_goes_from_black_to_white(bits: int, photometric: int) -> None:
    samples = build_noise_samples(1, bits)
    expected = samples[:, :, 0] * 255 / ((1 << bits) - 1)
    pixels = read(build_page(samples, bits=bits, photometric=photometric))
    assert pixels.mode == "L"
    found = np.asarray(pixels).astype(int)
    assert np.abs((255 - found if photometric == 0 else found) - expected).max() <= 0.5


@pytest.mark.parametrize("bits", ALL_BITS)
def test_rgb_of_any_bits(bits: int) -> None:
    samples = build_noise_samples(3, bits)
    found = np.asarray(read(build_page(samples, bits=bits))).astype(int)
    assert np.abs(found - samples * 255 / ((1 << bits) - 1)).max() <= 0.5


# Extra samples


@pytest.mark.parametrize("kinds", [None, [0], [0, 0], [3]])
def test_samples_of_no_known_kind_are_no_transparency(kinds: list[int] | None) -> None:
    tags: dict[int, Typed] = {338: (SHORT, kinds)} if kinds else {}
    for extra in range(1, 5):
        assert read_one([10, 20, 30, *[0] * extra], tags=tags) == ("RGB", (10, 20, 30))
        assert read_one([10, *[0] * extra], photometric=1, tags=tags) == ("L", (10,))


@pytest.mark.parametrize("kind", [2, 999])
def test_transparency_beside_the_colors(kind: int) -> None:
    tags: dict[int, Typed] = {338: (SHORT, [kind])}
    assert read_one([10, 20, 30, 40], tags=tags) == ("RGBA", (10, 20, 30, 40))
    assert read_one([10, 40], photometric=1, tags=tags) == ("LA", (10, 40))
    assert read_one([10, 40], photometric=0, tags=tags) == ("LA", (245, 40))
    assert read_one([1, 4], photometric=1, bits=3, tags=tags) == ("LA", (36, 146))
    assert read_one([2570, 10280], photometric=1, bits=16, tags=tags) == ("LA", (10, 40))
    assert read_one([10, 20, 30, 7, 40], tags={338: (SHORT, [0, kind])}) == ("RGBA", (10, 20, 30, 40))


def test_colors_that_are_multiplied_by_their_transparency_are_divided() -> None:
    tags: dict[int, Typed] = {338: (SHORT, [1])}
    assert read_one([10, 20, 30, 51], tags=tags) == ("RGBA", (50, 100, 150, 51))
    assert read_one([10, 51], photometric=1, tags=tags) == ("LA", (50, 51))
    assert read_one([10 * 257, 20 * 257, 30 * 257, 51 * 257], bits=16, tags=tags) == ("RGBA", (50, 100, 150, 51))


def test_ink_that_is_multiplied_by_its_transparency_lies_over_white() -> None:
    tags: dict[int, Typed] = {338: (SHORT, [1])}
    assert read_one([10, 51], photometric=0, tags=tags) == ("L", (245,))
    assert read_one([10, 20, 30, 40, 51], photometric=5, tags=tags) == ("CMYK", (10, 20, 30, 40))


# Palette


def build_color_map(bits: int, unit: int = 257) -> tuple[Samples, dict[int, Typed]]:
    colors = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3))
    colors[0] = 255
    return colors, {320: (SHORT, (colors.T * unit).ravel().tolist())}


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("unit", [257, 256, 1])
def test_palettes_of_16_bits_and_of_writers_that_leave_8(bits: int, unit: int) -> None:
    colors, tags = build_color_map(bits, unit)
    samples = build_noise_samples(1, bits)
    pixels = read(build_page(samples, bits=bits, photometric=3, tags=tags))
    assert (np.asarray(pixels) == colors[samples[:, :, 0]]).all()


@pytest.mark.parametrize("kind", [1, 2])
def test_a_palette_with_transparency(kind: int) -> None:
    colors, tags = build_color_map(8)
    found = read_one([7, 40], photometric=3, tags={**tags, 338: (SHORT, [kind])})
    assert found == ("RGBA", (*colors[7].tolist(), 40))


def test_a_palette_that_is_too_short_is_broken() -> None:
    for tags in ({}, {320: (SHORT, [0] * 767)}):
        with pytest.raises(ImageUndecodable, match="palette"):
            read(build_page(build_noise_samples(1), photometric=3, tags=tags))


def test_a_palette_of_many_bits_is_refused() -> None:
    with pytest.raises(ImageRefused, match="palette for 16 bits"):
        read(build_page(build_noise_samples(1), bits=16, photometric=3))


# CMYK, YCbCr, Lab


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_cmyk(bits: int, extra: int) -> None:
    samples = build_noise_samples(4 + extra, bits)
    pixels = read(build_page(samples, bits=bits, photometric=5))
    assert pixels.mode == "CMYK"
    assert np.abs(np.asarray(pixels).astype(int) - samples[:, :, :4] * 255 / ((1 << bits) - 1)).max() <= 0.5


def test_transparent_ink_is_less_ink() -> None:
    tags: dict[int, Typed] = {338: (SHORT, [2])}
    assert read_one([10, 20, 30, 40, 51], photometric=5, tags=tags) == ("CMYK", (2, 4, 6, 8))


def read_ycbcr(samples: Samples, bits: int = 8, **tags: Typed) -> Samples:
    stated: dict[int, Typed] = {530: (SHORT, [1, 1])} | {int(tag[1:]): typed for tag, typed in tags.items()}
    return np.asarray(read(build_page(samples, bits=bits, photometric=6, tags=stated))).astype(int)


def test_ycbcr_of_full_range_is_that_of_jpeg() -> None:
    noise = build_noise().convert("YCbCr")
    samples = np.asarray(noise).astype(int)
    expected = np.asarray(noise.convert("RGB")).astype(int)
    assert np.abs(read_ycbcr(samples) - expected).max() <= 1
    wide = np.rint((samples - (0, 128, 128)) * (257, 32767 / 127, 32767 / 127)).astype(int)
    wide[:, :, 1:] += 32768
    assert np.abs(read_ycbcr(wide.clip(0, 65535), 16) - expected).max() <= 2


def test_ycbcr_with_room_at_both_ends() -> None:
    full = np.asarray(build_noise().convert("YCbCr")).astype(int)
    narrow = np.rint(full * (219, 224, 224) / 255 + (16, 16, 16)).astype(int)
    reference = (RATIONAL, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])
    assert np.abs(read_ycbcr(narrow, t532=reference) - read_ycbcr(full)).max() <= 4
    assert np.abs(read_ycbcr(full, t532=(RATIONAL, [16, 1] * 6)) - read_ycbcr(full)).max() == 0


def test_ycbcr_by_the_weights_of_the_file() -> None:
    red, green, blue = 0.2126, 0.7152, 0.0722
    rgb = np.asarray(build_noise()).astype(int)
    luma = rgb @ (red, green, blue)
    chroma = [(rgb[:, :, 2] - luma) / (2 - 2 * blue) + 128, (rgb[:, :, 0] - luma) / (2 - 2 * red) + 128]
    samples = np.rint(np.dstack([luma, *chroma])).clip(0, 255).astype(int)
    weights = [2126, 10000, 7152, 10000, 722, 10000]
    assert np.abs(read_ycbcr(samples, t529=(RATIONAL, weights)) - rgb).max() <= 3
    no_green = [1, 1, 0, 1, 0, 1]
    assert (read_ycbcr(samples, t529=(RATIONAL, no_green)) == read_ycbcr(samples)).all()


LAB_FORMS: list[tuple[int, int, Callable[[Samples], Samples]]] = [
    (8, 8, lambda lab: np.dstack([lab[:, :, 0], (lab[:, :, 1:] - 128) % 256])),
    (8, 16, lambda lab: np.dstack([lab[:, :, 0] * 257, (lab[:, :, 1:] - 128) * 256 % 65536])),
    (9, 8, lambda lab: lab),
    (9, 16, lambda lab: lab * 256),
]


@pytest.mark.parametrize(("photometric", "bits", "store"), LAB_FORMS)
def test_lab(photometric: int, bits: int, store: Callable[[Samples], Samples]) -> None:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    rgb = build_noise()
    lab = ImageCms.applyTransform(rgb, transform)
    assert lab is not None
    samples = np.frombuffer(lab.tobytes(), np.uint8).reshape(48, 64, 3).astype(int)  # a and b signed
    samples[:, :, 1:] = (samples[:, :, 1:] + 128) % 256
    pixels = read(build_page(store(samples), bits=bits, photometric=photometric))
    expected = lab.convert("RGB")
    assert np.abs(np.asarray(pixels).astype(int) - np.asarray(expected)).max() <= 3
    assert np.abs(np.asarray(pixels).astype(int) - np.asarray(rgb)).mean() <= 2


def test_lab_of_other_bits_is_refused() -> None:
    with pytest.raises(ImageRefused, match="Lab of 4 bits"):
        read(build_page(build_noise_samples(3, 4), bits=4, photometric=8))
