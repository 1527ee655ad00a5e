"""Numbers the compressions of TIFF: those that are judged, and the names of others for whoever asks why not."""

NONE = 1
FAX = frozenset({2, 3, 4, 32771})
OLD_JPEG = 6
JPEG = 7
BYTEWISE = frozenset({5, 8, 32946, 34925, 50000})
"""LZW, Deflate (two numbers), LZMA and Zstandard: they pack bytes whatever these mean, and may pack differences"""
PACKBITS = 32773
JUDGED = BYTEWISE | FAX | {NONE, OLD_JPEG, JPEG, PACKBITS}
NAMES = {
    9: "JBIG",
    10: "JBIG",
    22610: "JPEG XR",
    32766: "NeXT",
    32767: "a raw file of Sony",
    32808: "ThunderScan",
    32809: "ThunderScan",
    32908: "Pixar film",
    32909: "Pixar log",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI log",
    34677: "SGI log",
    34712: "JPEG 2000",
    34713: "a raw file of Nikon",
    34887: "LERC",
    34892: "JPEG of a DNG",
    34926: "an older number of Zstandard",
    34927: "an older number of WebP",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
    65000: "a raw file of Kodak",
    65535: "a raw file of Pentax",
}
