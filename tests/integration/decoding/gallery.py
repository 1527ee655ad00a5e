"""Builds a file of each kind that browsers show: formats, colors, orientations, transparency, animations, faults."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from tests.support.image_files.exif import LONG, SHORT, build_exif
from tests.support.image_files.gif import GifFrame, build_gif, fill, tile

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
    stream = io.BytesIO()
    draw(mode).save(stream, file_format, **options)
    return stream.getvalue()[:cut]


def build_png(*chunks: tuple[bytes, bytes], mode: str = "RGB", **options: Any) -> bytes:
    """Build a PNG with these chunks behind its header."""
    file, stream = encode("PNG", mode, **options), io.BytesIO()
    for kind, content in chunks:
        PngImagePlugin.putchunk(stream, kind, content)
    return file[:33] + stream.getvalue() + file[33:]


def build_deep_png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(draw("L")).astype(np.uint16) * 257).save(stream, "PNG")
    return stream.getvalue()


def build_png_with_text_of_wrong_crc() -> bytes:
    return build_png((b"tEXt", b"Title\0picture")).replace(b"Title\0picture", b"Title\0Picture")


def exchange_red_and_blue() -> bytes:
    """Return a profile that says of itself that it is sRGB."""
    tags = {SRGB_PROFILE[at : at + 4]: SRGB_PROFILE[at + 4 : at + 12] for at in range(132, 132 + 12 * 16, 12)}
    exchanged = SRGB_PROFILE.replace(b"rXYZ" + tags[b"rXYZ"], b"rXYZ" + tags[b"bXYZ"])
    return exchanged.replace(b"bXYZ" + tags[b"bXYZ"], b"bXYZ" + tags[b"rXYZ"])


def code_as_pq(avif: bytes) -> bytes:
    colors = avif.index(b"nclx") + 4
    return avif[:colors] + struct.pack(">HHH", 9, 16, 9) + avif[colors + 6 :]


def animate(file_format: str, **options: Any) -> bytes:
    frames = [draw(), Image.new("RGB", SIZE, "red"), draw().transpose(Image.Transpose.ROTATE_180)]
    stream = io.BytesIO()
    frames[0].save(stream, file_format, save_all=True, append_images=frames[1:], **options)
    return stream.getvalue()


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
    "png turned by eXIf": lambda: build_png((b"eXIf", TURNED)),
    "jpeg": lambda: encode("JPEG", quality=90),
    "jpeg of gray": lambda: encode("JPEG", "L"),
    "jpeg of ink": lambda: encode("JPEG", "CMYK"),
    "jpeg of scans": lambda: encode("JPEG", progressive=True),
    "jpeg of scans, cut": lambda: encode("JPEG", progressive=True, cut=-40),
    "jpeg without an end": lambda: encode("JPEG", cut=-2),
    "jpeg turned by EXIF": lambda: encode("JPEG", exif=TURNED),
    "jpeg turned by a LONG": lambda: encode("JPEG", exif=TURNED_BY_LONG),
    "jpeg turned by XMP": lambda: encode("JPEG", xmp=TURNED_BY_XMP),
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
    "webp": lambda: encode("WEBP", quality=90),
    "webp without loss": lambda: encode("WEBP", "RGBA", lossless=True),
    "webp of an animation": lambda: animate("WEBP", lossless=True),
    "avif": lambda: encode("AVIF", quality=90),
    "avif turned by EXIF": lambda: encode("AVIF", exif=TURNED),
}
