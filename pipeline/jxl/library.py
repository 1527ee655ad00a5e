"""Declares the functions and structures of libjxl's decoder that we call. Source: jxl/decode.h of libjxl 0.11."""

import ctypes
import enum
import importlib.util
from functools import cache

TARGET_DATA = 1
"""of a color: that of the pixels that come out, which need not be that of the original"""
UINT8, UINT16 = 2, 3


class Status(enum.IntEnum):
    """The results of the decoder's functions: done, failed, or an event that was subscribed to."""

    SUCCESS = 0
    ERROR = 1
    NEED_MORE_INPUT = 2
    NEED_IMAGE_OUT_BUFFER = 5
    BASIC_INFO = 0x40
    COLOR_ENCODING = 0x100
    FRAME = 0x400
    FULL_IMAGE = 0x1000


class PixelFormat(ctypes.Structure):
    _fields_ = (
        ("channels", ctypes.c_uint32),
        ("sample_type", ctypes.c_int),
        ("endianness", ctypes.c_int),
        ("align", ctypes.c_size_t),
    )


class BasicInfo(ctypes.Structure):
    """The head of a file. `width` and `height` are those of the upright picture."""

    _fields_ = (
        ("has_container", ctypes.c_int),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("bits_per_sample", ctypes.c_uint32),
        ("exponent_bits_per_sample", ctypes.c_uint32),
        ("intensity_target_nits", ctypes.c_float),
        ("min_nits", ctypes.c_float),
        ("is_relative_to_max_display", ctypes.c_int),
        ("linear_below", ctypes.c_float),
        ("uses_original_profile", ctypes.c_int),
        ("has_preview", ctypes.c_int),
        ("has_animation", ctypes.c_int),
        ("orientation", ctypes.c_int),
        ("color_channels", ctypes.c_uint32),
        ("extra_channels", ctypes.c_uint32),
        ("alpha_bits", ctypes.c_uint32),
        ("alpha_exponent_bits", ctypes.c_uint32),
        ("alpha_is_premultiplied", ctypes.c_int),
        ("others", ctypes.c_uint32 * 8),
        ("padding", ctypes.c_uint8 * 100),
    )


class ColorEncoding(ctypes.Structure):
    """A color by its numbers; the transfer functions have the code points of ITU-T H.273."""

    _fields_ = (
        ("color_space", ctypes.c_int),
        ("white_point", ctypes.c_int),
        ("white_xy", ctypes.c_double * 2),
        ("primaries", ctypes.c_int),
        ("red_xy", ctypes.c_double * 2),
        ("green_xy", ctypes.c_double * 2),
        ("blue_xy", ctypes.c_double * 2),
        ("transfer", ctypes.c_int),
        ("gamma", ctypes.c_double),
        ("rendering_intent", ctypes.c_int),
    )


VERSION = 11
"""0.11, whose structures are those above"""

_DECODER = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_SIZE_OUT = ctypes.POINTER(_SIZE)
_FORMAT_IN = ctypes.POINTER(PixelFormat)
_ARGUMENTS = {
    "JxlDecoderDestroy": (_DECODER,),
    "JxlDecoderSubscribeEvents": (_DECODER, ctypes.c_int),
    "JxlDecoderSetUnpremultiplyAlpha": (_DECODER, ctypes.c_int),
    "JxlDecoderSetInput": (_DECODER, ctypes.c_char_p, _SIZE),
    "JxlDecoderProcessInput": (_DECODER,),
    "JxlDecoderFlushImage": (_DECODER,),
    "JxlDecoderGetBasicInfo": (_DECODER, ctypes.POINTER(BasicInfo)),
    "JxlDecoderGetColorAsEncodedProfile": (_DECODER, ctypes.c_int, ctypes.POINTER(ColorEncoding)),
    "JxlDecoderGetICCProfileSize": (_DECODER, ctypes.c_int, _SIZE_OUT),
    "JxlDecoderGetColorAsICCProfile": (_DECODER, ctypes.c_int, ctypes.c_char_p, _SIZE),
    "JxlDecoderImageOutBufferSize": (_DECODER, _FORMAT_IN, _SIZE_OUT),
    "JxlDecoderSetImageOutBuffer": (_DECODER, _FORMAT_IN, ctypes.c_void_p, _SIZE),
}


@cache
def load_libjxl() -> ctypes.CDLL:
    """Load the library that imagecodecs' own JPEG XL module is linked to, and declare its functions.

    Raises: ImportError if imagecodecs is not installed, or holds a version whose structures are not those above.
    """
    module = importlib.util.find_spec("imagecodecs._jpegxl")
    if module is None or module.origin is None:
        raise ImportError("imagecodecs has no JPEG XL here")
    library = ctypes.CDLL(module.origin)
    version = library.JxlDecoderVersion() // 1000
    if version != VERSION:
        raise ImportError(f"libjxl {version // 1000}.{version % 1000} in imagecodecs; 0.{VERSION} is read")
    library.JxlDecoderCreate.restype = _DECODER
    for name, arguments in _ARGUMENTS.items():
        getattr(library, name).argtypes = arguments
    library.JxlDecoderDestroy.restype = None
    return library
