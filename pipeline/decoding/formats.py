"""Finds a file's format by its first bytes, never by a name."""

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.heif.items import read_brands, read_items

JUDGED = ("jpeg", "png", "gif", "bmp", "webp", "tiff", "avif", "heic", "jxl")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif", ".jxl"}
)
"""of files that are looked for in a folder; what is in them is found by their first bytes"""
_SIGNATURES = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"II+\0": "tiff",
    b"MM\0*": "tiff",
    b"MM\0+": "tiff",
    b"\xff\x0a": "jxl",
    b"\0\0\0\x0cJXL \r\n\x87\n": "jxl",
}
_REFUSED = {
    b"\0\0\1\0": "an icon (ICO)",
    b"\0\0\2\0": "a cursor (CUR)",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 codestream",
    b"II\xbc": "a JPEG XR file",
    b"8BPS": "a Photoshop file (PSD)",
    b"gimp xcf": "a GIMP file (XCF)",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript file",
    b"\xc5\xd0\xd3\xc6": "a PostScript file (EPS)",
    b"\x8aMNG": "an MNG animation",
    b"\x8bJNG": "a JNG file",
    b"IIRO": "a raw file (Olympus ORF)",
    b"IIRS": "a raw file (Olympus ORF)",
    b"MMOR": "a raw file (Olympus ORF)",
    b"IIU\0": "a raw file (Panasonic RW2)",
    b"II\x1a\0\0\0HEAPCCDR": "a raw file (Canon CRW)",
    b"FUJIFILMCCD-RAW": "a raw file (Fujifilm RAF)",
    b"FOVb": "a raw file (Sigma X3F)",
    b"\0MRM": "a raw file (Minolta MRW)",
    b"v/1\1": "an OpenEXR file",
    b"#?RADIANCE": "a Radiance HDR file",
    b"DDS ": "a DDS texture",
    b"qoif": "a QOI file",
    b"icns": "an Apple icon (ICNS)",
    b"SIMPLE  =": "a FITS file",
    b"\x1aE\xdf\xa3": "a Matroska or WebM video",
    b"\0\0\1\xba": "an MPEG video",
    b"\0\0\1\xb3": "an MPEG video",
    b"FLV\1": "a Flash video",
    b"OggS": "an Ogg file",
    b"PK\3\4": "a ZIP archive or an office document",
    b"\x1f\x8b": "a gzip archive",
}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_HEIF_BRANDS = _AVIF_BRANDS | _HEIC_BRANDS | {b"mif1", b"mif2", b"mif3", b"msf1", b"miaf"}
_FORMATS_OF_ITEMS = {b"av01": "avif", b"hvc1": "heic"}
_VIDEO_BRANDS = (b"qt", b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash", b"3gp", b"3g2", b"f4v")
_TEXT_BEGINS = b"\xef\xbb\xbf\r\n\t \0"
_HIDDEN_SIGNATURES = (b"\xff\xd8\xff", b"\x89png\r\n", b"gif8")
_TEXT_BYTES = 4096
"""at the start of a file, in which `<svg` or `<html` is looked for"""


def find_format(data: bytes) -> str:
    """Return the name of a format that we judge.

    Raises: ImageRefused for any other, with its name where it is known; ImageUndecodable if empty.
    """
    if not data:
        raise ImageUndecodable("the object is empty")
    if data[4:8] == b"ftyp":
        return _find_heif_format(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    raise _build_refusal(_name_other(data))


def _find_heif_format(data: bytes) -> str:
    """Tell HEIC from AVIF by the codec of the picture: both come under the brands of HEIF."""
    brands = read_brands(data)
    if not _HEIF_BRANDS.intersection(brands):
        raise _build_refusal(_name_media(brands[0]))
    items = read_items(data)
    coded_type = items.coded_type if items else None
    if coded_type in _FORMATS_OF_ITEMS:
        return _FORMATS_OF_ITEMS[coded_type]
    if coded_type is not None:
        raise _build_refusal(f"a HEIF file of the codec {coded_type.decode('ascii', 'replace').strip()!r}")
    if _AVIF_BRANDS.intersection(brands):
        return "avif"
    if items is None and b"moov" in data:
        raise _build_refusal("a HEIF sequence without a still picture")
    return "heic"


def _name_media(brand: bytes) -> str:
    if brand == b"crx ":
        return "a raw file (Canon CR3)"
    if brand.startswith(_VIDEO_BRANDS):
        return "an MP4 or QuickTime video"
    return f"an ISO media file of the brand {brand.decode('ascii', 'replace')!r}"


def _name_other(data: bytes) -> str:
    if data.startswith(b"RIFF"):
        return f"a RIFF file of the kind {data[8:12].decode('ascii', 'replace').strip()!r}"
    for signature, name in _REFUSED.items():
        if data.startswith(signature):
            return name
    text = data[:_TEXT_BYTES].lstrip(_TEXT_BEGINS).lower()
    if text.startswith(_HIDDEN_SIGNATURES):
        return "an image behind other bytes, which browsers do not show"
    if text.startswith(b"<"):
        return "an SVG drawing" if b"<svg" in text else "HTML" if b"<html" in text else "XML"
    return "no image of a known format"


def _build_refusal(name: str) -> ImageRefused:
    return ImageRefused(f"{name}; judged are {', '.join(JUDGED)}")
