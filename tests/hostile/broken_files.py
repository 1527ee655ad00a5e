"""Files that must not be judged: bombs, cut and mislabelled ones, and two files in one."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image, PngImagePlugin

from tests.hostile.entries import MAX_BYTES, MAX_PIXELS, HostileImage, Picture
from tests.hostile.handmade import png
from tests.hostile.pictures import CODECS, opened
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.png import build_chunk

UNDECODABLE = ("image_undecodable",)
REFUSED = ("image_refused",)
TOO_LARGE = ("image_too_large",)
EITHER = ("image_undecodable", "image_refused")
SHOWN_IN_PART = ("JPEG", "PNG", "GIF", "BMP")
"""codecs whose cut files browsers show as far as they go"""

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://169.254.169.254/latest/meta-data/"/></svg>'
MVG = b"push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 'https://127.0.0.1/x'\npop graphic-context"
MAGIC = {
    "svg": SVG,
    "svg-xxe": b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SVG,
    "imagemagick-mvg": MVG,
    "html": b"<html><script>alert(1)</script></html>",
    "php": b"<?php system($_GET['c']); ?>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n",
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/URI/URI(http://127.0.0.1/)>>>>endobj",
    "elf": b"\x7fELF" + bytes(200),
    "windows-program": b"MZ" + bytes(200),
    "gzip": b"\x1f\x8b\x08" + bytes(50),
    "zip": b"PK\x03\x04" + bytes(50),
    "jpeg-2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    "photoshop": b"8BPS\0\x01" + bytes(100),
    "icon": b"\0\0\x01\0\x01\0" + bytes(100),
    "pcx": b"\x0a\x05\x01\x08" + bytes(200),
    "tga": bytes(18) + bytes(100),
    "xpm": b'/* XPM */\nstatic char *x[] = {"1 1 1 1", "a c #fff", "a"};',
    "fits": b"SIMPLE  =                    T" + b" " * 100,
    "blanks": b" " * 1000,
    "zeros": bytes(1000),
    "one-byte": b"\0",
}


def broken_files() -> Iterator[HostileImage]:
    yield HostileImage("empty", "an object without a byte", b"", UNDECODABLE)
    for name, data in MAGIC.items():
        yield HostileImage(f"magic-{name}", "a format off the list is not even opened", data, REFUSED)
    for name, start in {"heic": b"\0\0\0\x18ftypheic", "jpeg-xl": b"\xff\x0a"}.items():
        yield HostileImage(f"zeros-{name}", "first bytes, and nothing more", start + bytes(100), UNDECODABLE)
    yield from _foreign_codecs()
    yield from _cut()
    yield from _headers_alone()
    yield from _bombs()
    yield from _texts()
    yield from _polyglots()


def _foreign_codecs() -> Iterator[HostileImage]:
    for codec in ("PPM", "TGA", "PCX", "ICO", "SGI", "DDS", "PDF", "EPS", "JPEG2000", "XBM", "SPIDER"):
        mode = {"XBM": "1", "SPIDER": "F"}.get(codec, "RGB")
        data = encode_image(build_noise().convert("L").convert(mode), codec)
        yield HostileImage(f"codec-{codec}", "Pillow reads it; we do not judge it", data, REFUSED)


def _cut() -> Iterator[HostileImage]:
    for codec, options in CODECS.items():
        data = encode_image(build_noise(), codec, **options)
        for tenth in range(1, 10):
            part = data[: len(data) * tenth // 10]
            expected = (*UNDECODABLE, "picture") if codec in SHOWN_IN_PART else UNDECODABLE
            yield HostileImage(f"{codec}-cut-{tenth}0%", "of an upload that broke off, what came", part, expected)


def _headers_alone() -> Iterator[HostileImage]:
    starts = {
        "jpeg": b"\xff\xd8\xff",
        "png": b"\x89PNG\r\n\x1a\n",
        "gif": b"GIF89a",
        "bmp": b"BM",
        "webp": b"RIFF\0\0\0\0WEBPVP8 ",
        "tiff-little": b"II*\0",
        "tiff-big": b"MM\0*",
    }
    for name, start in starts.items():
        yield HostileImage(f"start-{name}", "a signature and nothing behind it", start, UNDECODABLE)
        yield HostileImage(f"start-{name}-zeros", "a signature before zeros", start + bytes(500), UNDECODABLE)
        yield HostileImage(f"start-{name}-ones", "a signature before ones", start + b"\xff" * 500, UNDECODABLE)
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield HostileImage("tiff-loop", "a directory whose next one is itself", loop, UNDECODABLE)
    yield HostileImage("png-no-pixels", "0 x 0 pixels", png(0, 0), UNDECODABLE)
    yield HostileImage("png-negative", "a side of 2**31", png(2**31, 1), (*UNDECODABLE, *TOO_LARGE))
    yield HostileImage("png-no-data", "sides, but no rows", png(64, 64), UNDECODABLE)


def _bombs() -> Iterator[HostileImage]:
    for width, height in ((2001, 2000), (20_000, 20_000), (65_535, 65_535), (2**31 - 1, 1), (MAX_PIXELS + 1, 1)):
        data = png(width, height)
        yield HostileImage(f"bomb-png-{width}x{height}", "pixels are counted before they are unpacked", data, TOO_LARGE)
    side = 2000
    rows = bytes(side * (side + 1))
    black = Image.new("L", (side, side))
    yield HostileImage(
        "bomb-png-cap",
        "4 million pixels in 4 kB: the cap itself is judged",
        png(side, side, rows=rows),
        Picture(black, "png"),
    )
    yield HostileImage(
        "bomb-png-rows",
        "a thousand times more rows than it says",
        png(8, 8, rows=bytes(9_000_000)),
        (*UNDECODABLE, "picture"),
    )
    for codec in ("GIF", "TIFF", "WEBP", "BMP", "JPEG", "AVIF"):
        options = {"compression": "group4"} if codec == "TIFF" else {}
        mode = "1" if codec in ("TIFF", "BMP") else "L"
        data = encode_image(Image.new(mode, (3000, 2000)), codec, **options)
        yield HostileImage(f"bomb-{codec}-3000x2000", "each codec's header is counted", data, TOO_LARGE)
    frames = [Image.new("P", (1000, 1000), i) for i in range(30)]
    data = encode_image(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield HostileImage(
        "bomb-gif-frames", "30 frames of a megapixel: one is decoded", data, Picture(opened(data), "gif", 30)
    )
    gif = bytearray(encode_image(Image.new("P", (8, 8)), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield HostileImage("bomb-gif-screen", "a canvas of 4 gigapixels around 8 x 8", bytes(gif), TOO_LARGE)


def _texts() -> Iterator[HostileImage]:
    head, end = encode_image(build_noise(), "PNG")[:33], encode_image(build_noise(), "PNG")[33:]
    packed = zlib.compress(bytes(100_000_000), 1)
    for kind, body in (
        (b"zTXt", b"a\0\0" + packed),
        (b"iTXt", b"a\0\x01\0\0\0" + packed),
        (b"iCCP", b"a\0\0" + packed),
    ):
        data = head + build_chunk(kind, body) + end
        shown = Picture(build_noise(), "png")
        yield HostileImage(f"png-{kind.decode()}-100MB", "100 MB of text in 100 kB, which nobody unpacks", data, shown)
    plain = head + build_chunk(b"tEXt", b"a\0" + b"A" * 100_000_000) + end
    assert len(plain) > MAX_BYTES
    yield HostileImage("png-tEXt-100MB", "a text chunk of 100 MB as it is", plain, TOO_LARGE)
    texts = PngImagePlugin.PngInfo()
    for number in range(20_000):
        texts.add_text(f"k{number}", "<script>alert(1)</script>")
    data = encode_image(build_noise(), "PNG", pnginfo=texts)
    yield HostileImage("png-20000-texts", "text chunks without end", data, Picture(build_noise(), "png"))


def _polyglots() -> Iterator[HostileImage]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("evil.sh", "rm -rf /")
    tails = {
        "zip": archive.getvalue(),
        "html": MAGIC["html"],
        "php": MAGIC["php"],
        "png": encode_image(build_noise(seed=9), "PNG"),
    }
    for name, tail in tails.items():
        for codec in ("PNG", "JPEG", "GIF", "BMP"):
            data = encode_image(build_noise(), codec, **CODECS[codec]) + tail
            yield HostileImage(
                f"{codec}-then-{name}",
                "what follows an image is not looked at",
                data,
                Picture(opened(data), codec.lower()),
            )
    for name in ("html", "php", "svg", "pdf"):
        data = MAGIC[name] + encode_image(build_noise(), "PNG")
        yield HostileImage(f"{name}-then-PNG", "an image behind something else is none", data, REFUSED)
    for codec in ("PNG", "JPEG"):
        data = encode_image(build_noise(), codec)
        wrong = (b"GIF89a" if codec == "PNG" else b"\x89PNG\r\n\x1a\n") + data[8:]
        yield HostileImage(f"{codec}-wrong-magic", "the signature of another format", wrong, EITHER)
