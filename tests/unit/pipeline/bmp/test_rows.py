import numpy as np
import pytest
from PIL import Image

from pipeline.bmp.header import read_header
from pipeline.bmp.palette import read_palette
from pipeline.bmp.rows import unpack_fields, unpack_rows
from pipeline.errors import ImageUndecodable
from tests.support.builders import build_noise
from tests.support.image_files.bmp import BIT_FIELDS, COLORS, build_file, build_header, build_rows, pad_rows

WIDTH, HEIGHT = 13, 7
NOISE = build_noise(WIDTH, HEIGHT, mode="RGBA")


def unpack(data: bytes) -> Image.Image:
    header = read_header(data)
    return unpack_rows(data, header, read_palette(data, header) if header.palette else b"")


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(("bits", "order"), [(24, "BGR"), (32, "BGRX")])
def test_colors(bits: int, order: str, top_down: bool) -> None:
    header = build_header(WIDTH, -HEIGHT if top_down else HEIGHT, bits=bits)
    image = unpack(build_file(header, build_rows(NOISE, order=order, top_down=top_down)))
    assert image.mode == "RGB"
    assert (np.asarray(image) == np.asarray(NOISE)[:, :, :3]).all()


@pytest.mark.parametrize("order", ["BGRA", "RGBA", "ABGR", "ARGB", "GBAR"])
def test_fields_of_8_bits_in_any_order(order: str) -> None:
    red, green, blue, alpha = (0xFF << 8 * order.index(letter) for letter in "RGBA")
    header = build_header(WIDTH, HEIGHT, version=124, bits=32, compression=BIT_FIELDS, masks=(red, green, blue, alpha))
    image = unpack(build_file(header, build_rows(NOISE, order=order)))
    assert image.mode == "RGBA"
    assert (np.asarray(image) == np.asarray(NOISE)).all()


def test_fields_without_alpha() -> None:
    masks = (0x0000FF, 0x00FF00, 0xFF0000)
    header = build_header(WIDTH, HEIGHT, bits=32, compression=BIT_FIELDS, masks=masks)
    image = unpack(build_file(header, build_rows(NOISE, order="RGBX")))
    assert (np.asarray(image) == np.asarray(NOISE)[:, :, :3]).all()


@pytest.mark.parametrize("lengths", [(1, 2, 3, 4), (5, 6, 5, 0), (4, 4, 4, 4), (7, 7, 7, 7), (10, 10, 10, 2)])
def test_fields_are_scaled_to_8_bits(lengths: tuple[int, int, int, int]) -> None:
    masks, values, shift = [], [], 0
    for length in lengths:
        masks.append(((1 << length) - 1) << shift)
        values.append(masks[-1])
        shift += length
    pixels = np.array([[0, *values]], "<u4")
    image = np.asarray(unpack_fields(pixels, (masks[0], masks[1], masks[2], masks[3])))
    assert (image[0, 0] == 0).all()
    for channel in range(image.shape[2]):
        assert image[0, 1 + channel, channel] == 255
        assert image[0, :, channel].sum() == 255


def test_a_field_of_5_bits_is_scaled_evenly() -> None:
    pixels = np.arange(32, dtype="<u2").reshape(1, 32)
    blue = np.asarray(unpack_fields(pixels, (0x7C00, 0x03E0, 0x001F, 0)))[0, :, 2]
    assert (np.abs(blue - np.arange(32) * 255 / 31) <= 0.5).all()


def test_a_mask_of_nothing_is_black() -> None:
    assert not np.asarray(unpack_fields(np.full((2, 2), 2**32 - 1, "<u4"), (0, 0, 0, 0))).any()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_indices_of_a_palette(bits: int) -> None:
    indices = np.random.default_rng(0).integers(0, 1 << bits, (HEIGHT, WIDTH), np.uint8)
    bit_planes = np.unpackbits(indices[:, :, None], axis=2)[:, :, 8 - bits :].reshape(HEIGHT, -1)
    data = build_file(
        build_header(WIDTH, HEIGHT, bits=bits), pad_rows(np.packbits(bit_planes, axis=1)), palette=COLORS[: 4 << bits]
    )
    colors = np.frombuffer(COLORS, np.uint8).reshape(-1, 4)[:, 2::-1]
    assert (np.asarray(unpack(data)) == colors[indices]).all()


@pytest.mark.parametrize(("missing", "rows"), [(1, HEIGHT - 1), (40, HEIGHT - 1), (41, HEIGHT - 2), (6 * 40, 1)])
def test_rows_that_are_cut_short_are_left_out(missing: int, rows: int) -> None:
    image = unpack(build_file(build_header(WIDTH, HEIGHT), build_rows(NOISE))[:-missing])
    assert image.size == (WIDTH, rows)
    assert (np.asarray(image) == np.asarray(NOISE)[HEIGHT - rows :, :, :3]).all()


@pytest.mark.parametrize("start", [54 + 7 * 40, 10**9, 2**32 - 1])
def test_a_file_without_a_whole_row_is_undecodable(start: int) -> None:
    with pytest.raises(ImageUndecodable, match="holds no whole row"):
        unpack(build_file(build_header(WIDTH, HEIGHT), build_rows(NOISE), start=start))
