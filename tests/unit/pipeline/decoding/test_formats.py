import pytest

from pipeline.decoding.decode import READERS
from pipeline.decoding.formats import JUDGED, find_format
from pipeline.errors import ImageRefused, ImageUndecodable
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.heic import build_box, build_brands, build_heif, encode_heic
from tests.support.image_files.jxl import FILES


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
def test_a_format_is_found_by_the_first_bytes(file_format: str) -> None:
    assert find_format(encode_image(build_noise(), file_format)) == file_format.lower()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"II+\0\x08\0\0\0", "tiff"),
        (b"MM\0+\0\x08\0\0", "tiff"),
        (FILES["lossy"], "jxl"),
        (FILES["turned"], "jxl"),
        (encode_heic(build_noise()), "heic"),
        (build_heif(b"av01"), "avif"),
        (build_heif(b"hvc1", brands=(b"avif",)), "heic"),
        (build_brands(b"mif1", b"avif", b"avis"), "avif"),
        (build_brands(b"heic"), "heic"),
    ],
)
def test_other_beginnings(data: bytes, name: str) -> None:
    assert find_format(data) == name


def test_each_format_has_a_reader() -> None:
    assert set(JUDGED) == READERS.keys()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\1\0\1\0\x10\x10", "an icon (ICO)"),
        (b"8BPS\0\1", "a Photoshop file (PSD)"),
        (encode_image(build_noise(), "JPEG2000"), "a JPEG 2000 file"),
        (b"\xff\x4f\xff\x51\0\x29", "a JPEG 2000 codestream"),
        (b"%PDF-1.7", "a PDF document"),
        (b"FUJIFILMCCD-RAW 0201", "a raw file (Fujifilm RAF)"),
        (b"IIRO\x08\0\0\0", "a raw file (Olympus ORF)"),
        (b"IIU\0\x18\0\0\0", "a raw file (Panasonic RW2)"),
        (build_brands(b"crx ", b"crx ", b"isom"), "a raw file (Canon CR3)"),
        (build_brands(b"isom", b"iso2", b"avc1", b"mp41"), "an MP4 or QuickTime video"),
        (build_brands(b"qt  "), "an MP4 or QuickTime video"),
        (build_brands(b"M4A "), "an ISO media file of the brand 'M4A '"),
        (build_heif(b"jpeg"), "a HEIF file of the codec 'jpeg'"),
        (build_heif(b"vvc1", brands=(b"heic",)), "a HEIF file of the codec 'vvc1'"),
        (build_brands(b"hevc", b"msf1") + build_box(b"moov"), "a HEIF sequence without a still picture"),
        (b"\x1aE\xdf\xa3\x9f", "a Matroska or WebM video"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a RIFF file of the kind 'WAVE'"),
        (b"RIFF\x24\0\0\0AVI LIST", "a RIFF file of the kind 'AVI'"),
        (b"RIFF", "a RIFF file of the kind ''"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- by hand -->\n<SVG/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html><body>403", "HTML"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "XML"),
        (b"\r\n" + encode_image(build_noise(), "JPEG"), "an image behind other bytes"),
        (b"\xef\xbb\xbf" + encode_image(build_noise(), "PNG"), "an image behind other bytes"),
        (b" GIF89a", "an image behind other bytes"),
        (b"hello", "no image of a known format"),
        (b"\xff", "no image of a known format"),
    ],
)
def test_what_is_not_judged_is_refused_by_its_name(data: bytes, name: str) -> None:
    with pytest.raises(ImageRefused) as refusal:
        find_format(data)
    assert refusal.value.detail.startswith(name)
    assert refusal.value.detail.endswith("; judged are jpeg, png, gif, bmp, webp, tiff, avif, heic, jxl")


def test_an_empty_object_is_undecodable() -> None:
    with pytest.raises(ImageUndecodable, match="empty"):
        find_format(b"")
