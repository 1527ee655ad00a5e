"""Builds a file of each kind that browsers show: formats, colors, orientations, transparency, animations, faults."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests.support.builders import encode_image
from tests.support.image_files import bmp, png, webp
from tests.support.image_files.exif import LONG, SHORT, build_exif
from tests.support.image_files.gif import GifFrame, build_gif, fill, tile
from tests.support.image_files.jxl import FILES, encode_jxl

SIZE = (48, 32)
ORIENTATION = 0x0112
TURNED = build_exif((ORIENTATION, SHORT, 1, 6))
TURNED_BY_LONG = build_exif((ORIENTATION, LONG, 1, 6))
TURNED_BY_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
P3 = (b"cHRM", struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000))
CODED_P3, CODED_PQ, CODED_HLG = ((b"cICP", bytes([*codes, 0, 1])) for codes in ((12, 13), (9, 16), (9, 18)))
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def draw(mode: str = "RGB") -> Image.Image:
    """Draw a picture in which no turn, no exchanged channel and no curve goes unseen."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    levels = np.stack([40 + 4 * x, 230 - 6 * y, (x // 8 + y // 8) % 2 * 150 + 50], axis=-1)
    picture = Image.fromarray(levels.astype(np.uint8))
    if mode.endswith("A"):
        picture.putalpha(Image.fromarray((255 - 5 * y - x).astype(np.uint8)))
    return picture.convert(mode)


def encode(file_format: str, mode: str = "RGB", *, cut: int | None = None, **options: Any) -> bytes:
    return encode_image(draw(mode), file_format, **options)[:cut]


def build_png(*chunks: tuple[bytes, bytes], mode: str = "RGB") -> bytes:
    return png.build_file(draw(mode), *(png.build_chunk(kind, content) for kind, content in chunks))


def build_deep_png() -> bytes:
    return encode_image(Image.fromarray(np.asarray(draw("L")).astype(np.uint16) * 257), "PNG")


def build_png_with_text_of_wrong_crc() -> bytes:
    return build_png((b"tEXt", b"Title\0picture")).replace(b"Title\0picture", b"Title\0Picture")


def build_png_of_data(change: Callable[[bytes], bytes]) -> bytes:
    """Build a PNG whose packed rows are changed."""
    picture = draw()
    return png.build_file(picture, data=change(zlib.compress(png.build_rows(picture))))


def cut_rows(packed: bytes) -> bytes:
    """Return well-formed rows of the upper half alone."""
    rows = zlib.decompress(packed)
    return zlib.compress(rows[: len(rows) // 2])


def build_bmp_of_bit_fields(*, order: str, masks: tuple[int, ...]) -> bytes:
    header = bmp.build_header(*SIZE, version=108, bits=32, compression=bmp.BIT_FIELDS, masks=masks)
    return bmp.build_file(header, bmp.build_rows(draw("RGBA"), order=order))


def exchange_red_and_blue() -> bytes:
    """Return a profile that says of itself that it is sRGB."""
    tags = {SRGB_PROFILE[at : at + 4]: SRGB_PROFILE[at + 4 : at + 12] for at in range(132, 132 + 12 * 16, 12)}
    exchanged = SRGB_PROFILE.replace(b"rXYZ" + tags[b"rXYZ"], b"rXYZ" + tags[b"bXYZ"])
    return exchanged.replace(b"bXYZ" + tags[b"bXYZ"], b"bXYZ" + tags[b"rXYZ"])


def code_as_pq(avif: bytes) -> bytes:
    colors = avif.index(b"nclx") + 4
    return avif[:colors] + struct.pack(">HHH", 9, 16, 9) + avif[colors + 6 :]


def animate(file_format: str, **options: Any) -> bytes:
    frames = [draw(), draw().transpose(Image.Transpose.ROTATE_180), Image.new("RGB", SIZE, "red")]
    return encode_image(frames[0], file_format, save_all=True, append_images=frames[1:], **options)


GALLERY: dict[str, Callable[[], bytes]] = {
    "png": lambda: encode("PNG"),
    "png of 1 bit": lambda: encode("PNG", "1"),
    "png of gray": lambda: encode("PNG", "L"),
    "png of 16 bits": build_deep_png,
    "png of a palette": lambda: encode("PNG", "P"),
    "png of a palette with a transparent entry": lambda: encode("PNG", "P", transparency=20),
    "png of gray with a transparent level": lambda: encode("PNG", "L", transparency=100),
    "png of gray and alpha": lambda: encode("PNG", "LA"),
    "png with alpha": lambda: encode("PNG", "RGBA"),
    "png with gamma": lambda: build_png(LINEAR),
    "png of gray with gamma": lambda: build_png(LINEAR, mode="L"),
    "png with gamma and alpha": lambda: build_png(LINEAR, mode="RGBA"),
    "png with gamma and primaries": lambda: build_png((b"gAMA", struct.pack(">I", 45_455)), P3),
    "png coded as P3": lambda: build_png(CODED_P3),
    "png of gray coded as PQ": lambda: build_png(CODED_PQ, mode="L"),
    "png coded as HLG": lambda: build_png(CODED_HLG),
    "png with a profile that only calls itself sRGB": lambda: encode("PNG", icc_profile=exchange_red_and_blue()),
    "png turned by eXIf": lambda: build_png((b"eXIf", TURNED)),
    "png turned by a text alone": lambda: build_png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + TURNED_BY_XMP)),
    "png with a text of wrong CRC": build_png_with_text_of_wrong_crc,
    "png with a wrong checksum of its rows": lambda: build_png_of_data(lambda packed: packed[:-1] + b"?"),
    "png of half of its rows": lambda: build_png_of_data(cut_rows),
    "png, cut": lambda: encode("PNG", cut=-60),
    "png of an animation with a hidden image": lambda: animate("PNG", default_image=True),
    "jpeg": lambda: encode("JPEG", quality=90),
    "jpeg of gray": lambda: encode("JPEG", "L"),
    "jpeg of ink": lambda: encode("JPEG", "CMYK"),
    "jpeg of scans": lambda: encode("JPEG", progressive=True),
    "jpeg of scans, cut": lambda: encode("JPEG", progressive=True, cut=-40),
    "jpeg without an end": lambda: encode("JPEG", cut=-2),
    "jpeg turned by EXIF": lambda: encode("JPEG", exif=TURNED),
    "jpeg turned by a LONG": lambda: encode("JPEG", exif=TURNED_BY_LONG),
    "jpeg turned by XMP": lambda: encode("JPEG", xmp=TURNED_BY_XMP),
    "jpeg with a profile that only calls itself sRGB": lambda: encode("JPEG", icc_profile=exchange_red_and_blue()),
    "jpeg of gray with a profile of colors": lambda: encode("JPEG", "L", icc_profile=exchange_red_and_blue()),
    "jpeg of two pictures": lambda: animate("MPO"),
    "gif": lambda: encode("GIF", "P"),
    "gif whose first frame covers a part": lambda: build_gif(SIZE, [GifFrame(tile(20, 10), at=(5, 6))], background=1),
    "gif with transparency": lambda: build_gif(SIZE, [GifFrame(tile(*SIZE), transparent=2)]),
    "gif of interlaced rows": lambda: build_gif(SIZE, [GifFrame(tile(*SIZE), interlaced=True)]),
    "gif of an animation": lambda: build_gif(SIZE, [GifFrame(tile(*SIZE)), GifFrame(fill(*SIZE, 1))]),
    "gif, cut": lambda: encode("GIF", "P", cut=-500),
    "bmp": lambda: encode("BMP"),
    "bmp of a palette": lambda: encode("BMP", "P"),
    "bmp of 1 bit": lambda: encode("BMP", "1"),
    "bmp whose fields are in another order": lambda: build_bmp_of_bit_fields(
        order="RGBX", masks=(0xFF, 0xFF00, 0xFF0000, 0)
    ),
    "bmp with alpha": lambda: build_bmp_of_bit_fields(order="BGRA", masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "bmp, cut": lambda: encode("BMP", cut=-1000),
    "webp": lambda: encode("WEBP", quality=90),
    "webp without loss": lambda: encode("WEBP", "RGBA", lossless=True),
    "webp with EXIF": lambda: encode("WEBP", exif=TURNED),
    "webp of an animation": lambda: animate("WEBP", lossless=True),
    "webp whose first frame covers a part": lambda: webp.build_animation(
        SIZE,
        [webp.WebpFrame(draw("RGBA").crop((0, 0, 20, 10)), at=(6, 8)), webp.WebpFrame(draw("RGBA"))],
        flags=webp.ALPHA,
    ),
    "webp with a profile that only calls itself sRGB": lambda: encode("WEBP", icc_profile=exchange_red_and_blue()),
    "avif": lambda: encode("AVIF", quality=90),
    "avif with alpha": lambda: encode("AVIF", "RGBA", quality=90),
    "avif turned by EXIF": lambda: encode("AVIF", exif=TURNED),
    "avif coded as PQ": lambda: code_as_pq(encode("AVIF", quality=90)),
    "jxl": lambda: encode_jxl(np.asarray(draw())),
    "jxl with alpha": lambda: encode_jxl(np.asarray(draw("RGBA"))),
    "jxl with loss": lambda: FILES["lossy"],
    "jxl coded as P3": lambda: FILES["display-p3"],
}
