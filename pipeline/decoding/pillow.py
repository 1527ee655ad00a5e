"""Opens files with Pillow, within its limits, and brings its pixels to the modes of a frame."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, ZoomInError
from pipeline.pixel_limit import build_refusal, limit_pixels

_TO_8_BIT = [(value + 128) // 257 for value in range(65536)]


@contextmanager
def limit_pillow(max_pixels: int) -> Iterator[None]:
    """Refuse larger images before their pixels are read, and translate each error of Pillow and its plugins.

    Raises: ImageRefused, ImageTooLarge, ImageUndecodable.
    """
    with warnings.catch_warnings(), limit_pixels(max_pixels):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except ZoomInError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            size, _, _ = str(error).partition(" exceeds")  # Pillow goes on with twice the limit
            raise build_refusal(size) from error
        except MemoryError as error:
            raise ImageTooLarge("decoding needs more memory than it may have") from error
        except Exception as error:  # on broken files Pillow's plugins raise errors of any type
            raise ImageUndecodable(f"cannot be decoded: {type(error).__name__}: {str(error)[:200]}") from error


def open_file(data: bytes, plugin: str) -> ImageFile.ImageFile:
    """Open a file with the plugin of this name, without reading its pixels. Raises: ImageUndecodable."""
    try:
        return Image.open(io.BytesIO(data), formats=(plugin,))
    except UnidentifiedImageError as error:
        raise ImageUndecodable("begins like an image that we judge, and is broken") from error


def convert_to_8_bit(image: Image.Image) -> Image.Image:
    """Bring a loaded image to the modes of a frame. Raises: ImageRefused for samples of 32 bits."""
    if image.mode in ("I", "F"):
        raise ImageRefused("samples of 32 bits: the file does not say what is white")
    if image.mode.startswith("I;16"):
        return image.convert("I").point(_TO_8_BIT, "L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")
