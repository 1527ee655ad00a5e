"""GIF and WebP files of which a simple reader takes another picture than people see."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from pipeline.decoding.animation import MOST_FRAMES
from tests.hostile.entries import HostileImage, Picture
from tests.support.builders import build_noise
from tests.support.image_files import png
from tests.support.image_files.exif import SHORT, build_exif
from tests.support.image_files.gif import COLORS, GifFrame, build_gif, fill, pack_codes, pack_extension, tile
from tests.support.image_files.webp import EXIF, WebpFrame, build_animation, build_chunk, build_header, build_webp
from tests.support.image_files.webp import encode_pixels as encode_webp

SIZE = (48, 32)
AT = (8, 4)
GIF_PICTURE, GIF_PART, GIF_FLAT = GifFrame(tile(*SIZE)), GifFrame(tile(16, 8), at=AT), GifFrame(fill(*SIZE, 3))
PICTURE, PART, FLAT = build_noise(*SIZE), build_noise(16, 8), Image.new("RGB", SIZE, COLORS[3])
UNDECODABLE = ("image_undecodable",)
TURNED = build_exif((0x0112, SHORT, 1, 6))


def animations() -> Iterator[HostileImage]:
    yield from _gifs()
    yield from _broken_gifs()
    yield from _webps()
    for flat in (1, 100, MOST_FRAMES - 1, MOST_FRAMES):
        yield from _hide_behind(flat)


def _hide_behind(flat: int) -> Iterator[HostileImage]:
    gif = build_gif(SIZE, [*[GIF_FLAT] * flat, GIF_PICTURE])
    frames = [FLAT] * flat + [PICTURE]
    files = (("gif", gif, _color(GIF_PICTURE)), ("webp", _animate_webp(frames), PICTURE))
    for file_format, data, picture in (*files, ("png", _animate_png(frames), PICTURE)):
        name = f"{file_format}-{flat}-flat"
        if flat < MOST_FRAMES:
            yield _expect(name, "flat frames that are gone after a blink hide no picture", data, picture, flat + 1)
        else:
            yield HostileImage(name, "more flat frames than are looked at hide no picture", data, ("image_refused",))


def _animate_webp(frames: list[Image.Image]) -> bytes:
    return build_animation(SIZE, map(WebpFrame, frames))


def _animate_png(frames: list[Image.Image]) -> bytes:
    first = (png.build_animation_control(len(frames)), png.build_frame_control(0, SIZE))
    later = (
        png.build_frame_control(2 * number - 1, SIZE) + png.build_frame_data(2 * number, pixels)
        for number, pixels in enumerate(frames[1:], start=1)
    )
    return png.build_file(frames[0], *first, after=b"".join(later))


def _gifs() -> Iterator[HostileImage]:
    for background in range(4):
        data = build_gif(SIZE, [GIF_PART], background=background)
        expected = _place(_color(GIF_PART))
        yield _expect(f"gif-part-{background}", "browsers ignore the background color", data, expected)
    bits = GifFrame(tile(*SIZE, 2), bits=1)
    yield _expect("gif-bits", "codes that begin with two bits", build_gif(SIZE, [bits]), _color(bits))
    wider = build_gif((10, 10), [GIF_PART])
    yield _expect("gif-wider", "the first frame enlarges the canvas", wider, _place(_color(GIF_PART), (24, 12)))
    controls = build_gif(SIZE, [b"!\xf9\x04\x01\0\0\0\0", b"!\xf9\x04\0\0\0\0\0", GIF_PICTURE])
    yield _expect("gif-controls", "the last control before a frame counts", controls, _color(GIF_PICTURE))


def _broken_gifs() -> Iterator[HostileImage]:
    for rows in (1, 16, 31):
        codes = pack_codes(GIF_PICTURE.indices[:rows].ravel(), 2)
        data = build_gif(SIZE, [replace(GIF_PICTURE, codes=codes)])
        expected = _place(_color(GIF_PICTURE).crop((0, 0, SIZE[0], rows)), at=(0, 0))
        yield _expect(f"gif-{rows}-rows", "the rows that came are painted", data, expected)
    yield _expect("gif-no-end", "no trailer", build_gif(SIZE, [GIF_PICTURE], trailer=b""), _color(GIF_PICTURE))
    dot, huge = b",\0\0\0\0\1\0\1\0\0\2\0", b",\0\0\0\0\xff\xff\xff\xff\0\2\0"
    data = build_gif(SIZE, [GIF_PICTURE, dot * 1_000_000])
    yield _expect("gif-million-frames", "counting is bounded", data, _color(GIF_PICTURE), 100_000)
    data = build_gif(SIZE, [b"!\xfe" + b"\1a" * 1_000_000 + b"\0", GIF_PICTURE])
    yield _expect("gif-million-blocks", "a comment of single bytes", data, _color(GIF_PICTURE))
    flat = _color(GIF_FLAT)
    yield _expect("gif-huge-later", "a later frame of 4 gigapixels", build_gif(SIZE, [GIF_FLAT, huge]), flat, 2)
    shown_nothing: dict[str, list[GifFrame | bytes]] = {
        "none": [],
        "extension": [pack_extension(0xFE, b"only")],
        "bits": [replace(GIF_PICTURE, bits=9, codes=bytes(99))],
        "clears": [replace(GIF_PICTURE, bits=1, codes=b"\xaa" * 10_000_000)],
        "meaning": [replace(GIF_PICTURE, codes=b"\xff" * 10_000)],
    }
    for name, frames in shown_nothing.items():
        yield HostileImage(f"gif-nothing-{name}", "no frame shows anything", build_gif(SIZE, frames), UNDECODABLE)


def _webps() -> Iterator[HostileImage]:
    data = build_webp(build_header(SIZE, EXIF), encode_webp(PICTURE), build_chunk(b"EXIF", TURNED))
    yield _expect("webp-exif", "Chromium does not turn WebP", data, PICTURE)
    for background in (0, 0xFF000000, 0xFFFF0000):
        data = build_animation(SIZE, [WebpFrame(PART, AT), WebpFrame(FLAT)], background=background)
        reason = "white around the first frame, whatever the background"
        yield _expect(f"webp-part-{background:x}", reason, data, _place(PART), 2)
    whole = build_webp(encode_webp(PICTURE))
    for name, length in {"more": 100, "less": -100}.items():
        wrong = whole[:4] + (len(whole) - 8 + length).to_bytes(4, "little") + whole[8:]
        yield HostileImage(f"webp-size-{name}", "a size that is not the file's", wrong, UNDECODABLE)
    picture = encode_webp(PICTURE)[8:]
    rows = _place(PICTURE.crop((0, 0, SIZE[0], 16)), at=(0, 0))
    data = build_webp(build_chunk(b"VP8L", picture[:-1000]))
    yield _expect("webp-rows", "the rows that came of a broken picture in a whole file", data, rows)


def _expect(name: str, reason: str, data: bytes, picture: Image.Image, frames: int = 1) -> HostileImage:
    return HostileImage(name, reason, data, Picture(picture, name.split("-")[0], frames))


def _color(frame: GifFrame) -> Image.Image:
    return Image.fromarray(np.asarray(COLORS, np.uint8)[frame.indices])


def _place(part: Image.Image, size: tuple[int, int] = SIZE, at: tuple[int, int] = AT) -> Image.Image:
    white = Image.new("RGB", size, "white")
    white.paste(part, at)
    return white
