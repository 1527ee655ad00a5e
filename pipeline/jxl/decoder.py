"""Decodes the pictures of a JPEG XL file one after the other, with the color that they are in."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pipeline.color.bands import SRGB_SAMPLES
from pipeline.color.coded import find_coded_color
from pipeline.color.icc import IccProfile
from pipeline.color.srgb import Color
from pipeline.jxl.library import TARGET_DATA, UINT8, UINT16, BasicInfo, ColorEncoding, PixelFormat, Status, load_libjxl

Picture = np.ndarray[tuple[int, int, int], np.dtype[np.uint8 | np.uint16]]
"""Shapes: height, width, channels: colors, then alpha if there is one."""
MOST_PROFILE_BYTES = 4 * 1024 * 1024
GRAY, D65 = 1, 1
"""a color space and a white point"""
BT709, BT2020, DISPLAY_P3 = 1, 9, 12
LINEAR, SRGB, PQ, HLG = 8, 13, 16, 18
_PRIMARIES = {1: BT709, 9: BT2020, 11: DISPLAY_P3}
"""code points of ITU-T H.273 by libjxl's numbers; its transfer functions have the same ones"""
_TRANSFERS = (LINEAR, SRGB, PQ, HLG)


class JxlFailed(ValueError):
    """The library refuses the file."""


@contextmanager
def open_jxl(data: bytes) -> Iterator["JxlDecoder"]:
    """Open a file to its head, without decoding a pixel.

    Raises: JxlFailed; ImportError if the library is not installed.
    """
    with _create_decoder(data, Status.BASIC_INFO | Status.COLOR_ENCODING | Status.FULL_IMAGE) as (library, decoder):
        yield JxlDecoder(library, decoder)


def count_frames(data: bytes, most: int) -> int:
    """Return how many frames of an animation are shown, without decoding them, at most `most`."""
    with _create_decoder(data, Status.FRAME) as (library, decoder):
        frames = 0
        while frames < most and library.JxlDecoderProcessInput(decoder) == Status.FRAME:
            frames += 1
        return frames


@contextmanager
def _create_decoder(data: bytes, events: int) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    library = load_libjxl()
    decoder = ctypes.c_void_p(library.JxlDecoderCreate(None))
    if not decoder:
        raise MemoryError
    try:
        library.JxlDecoderSubscribeEvents(decoder, events)
        library.JxlDecoderSetInput(decoder, data, len(data))  # read in place, until the decoder is destroyed
        yield library, decoder
    finally:
        library.JxlDecoderDestroy(decoder)


class JxlDecoder:
    """Decodes one file in one thread. `info` is known before a pixel is decoded.

    `is_whole` turns False at the end of a file that is cut short.
    Raises: JxlFailed in each method.
    """

    def __init__(self, library: ctypes.CDLL, decoder: ctypes.c_void_p) -> None:
        self._library = library
        self._decoder = decoder
        self._is_linear = False
        self.is_whole = True
        self.info = BasicInfo()
        self._call("SetUnpremultiplyAlpha", 1)
        self._process(Status.BASIC_INFO)
        self._call("GetBasicInfo", ctypes.byref(self.info))

    def read_color(self) -> Color | None:
        """Return the color of the decoded pixels, None for sRGB. Call it once, before the pictures."""
        self._process(Status.COLOR_ENCODING)
        encoding = self._read_encoding()
        if encoding is None or encoding.transfer not in _TRANSFERS:
            return self._read_profile()
        primaries = BT709 if encoding.color_space == GRAY else _PRIMARIES.get(encoding.primaries)
        if primaries is None or encoding.white_point != D65:
            return self._read_profile()
        self._is_linear = encoding.transfer == LINEAR
        transfer = SRGB if self._is_linear else encoding.transfer
        return None if (primaries, transfer) == (BT709, SRGB) else find_coded_color(primaries, transfer)

    def list_pictures(self) -> Iterator[Picture]:
        """Yield the pictures as they are shown, with 8 bits a sample; the last one as far as its bytes reach."""
        while self._process(Status.NEED_IMAGE_OUT_BUFFER, Status.SUCCESS) != Status.SUCCESS:
            picture = self._read_picture()
            if not self.is_whole and (picture == picture[0, 0]).all():
                raise JxlFailed("it is cut short before its first pixels")
            yield self._encode_linear(picture) if self._is_linear else picture
            if not self.is_whole:
                return

    def _read_picture(self) -> Picture:
        channels = self.info.color_channels + (1 if self.info.alpha_bits else 0)
        sample_type, kind = (UINT16, np.uint16) if self._is_linear else (UINT8, np.uint8)
        picture = np.zeros((self.info.height, self.info.width, channels), kind)
        pixel_format, size = PixelFormat(channels, sample_type, 0, 0), ctypes.c_size_t()
        self._call("ImageOutBufferSize", ctypes.byref(pixel_format), ctypes.byref(size))
        if size.value != picture.nbytes:
            raise JxlFailed(f"a picture of {size.value} bytes in place of {picture.nbytes}")
        self._call("SetImageOutBuffer", ctypes.byref(pixel_format), picture.ctypes.data_as(ctypes.c_void_p), size)
        self._process(Status.FULL_IMAGE, Status.NEED_MORE_INPUT)
        if not self.is_whole and self._library.JxlDecoderFlushImage(self._decoder) != Status.SUCCESS:
            raise JxlFailed("it is cut short before its first pixels")
        return picture

    def _encode_linear(self, picture: Picture) -> Picture:
        """Bring linear light of 16 bits to sRGB's transfer function: its 8 bits would lose the shadows."""
        encoded = np.empty(picture.shape, np.uint8)
        for row, light in zip(encoded, picture, strict=True):  # numpy takes 8 bytes for each index
            row[:] = SRGB_SAMPLES[light]
        if self.info.alpha_bits:
            encoded[:, :, -1] = picture[:, :, -1] >> 8
        return encoded

    def _read_encoding(self) -> ColorEncoding | None:
        encoding = ColorEncoding()
        function = self._library.JxlDecoderGetColorAsEncodedProfile
        status = function(self._decoder, TARGET_DATA, ctypes.byref(encoding))
        return encoding if status == Status.SUCCESS else None

    def _read_profile(self) -> IccProfile | None:
        size = ctypes.c_size_t()
        status = self._library.JxlDecoderGetICCProfileSize(self._decoder, TARGET_DATA, ctypes.byref(size))
        if status != Status.SUCCESS or not 0 < size.value <= MOST_PROFILE_BYTES:
            return None
        profile = ctypes.create_string_buffer(size.value)
        self._call("GetColorAsICCProfile", TARGET_DATA, profile, size)
        return IccProfile(profile.raw)

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, f"JxlDecoder{name}")(self._decoder, *arguments)
        if status != Status.SUCCESS:
            raise JxlFailed(f"libjxl refuses it: {name}")

    def _process(self, *events: Status) -> Status:
        """Decode until one of these events."""
        status = self._library.JxlDecoderProcessInput(self._decoder)
        if status == Status.NEED_MORE_INPUT:
            self.is_whole = False
        if status not in events:
            raise JxlFailed("it is cut short" if status == Status.NEED_MORE_INPUT else "it is broken")
        return Status(status)
