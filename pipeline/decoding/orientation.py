"""Orientation by EXIF."""

from PIL import Image

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(image: Image.Image) -> int:
    """Return EXIF's orientation of an opened file, 1 if it has none that is valid."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # noqa: BLE001 - Pillow raises any error on broken EXIF; viewers show the image unturned
        return 1
    return orientation if isinstance(orientation, int) and orientation in UPRIGHT else 1


def turn_upright(pixels: Image.Image, orientation: int) -> Image.Image:
    method = UPRIGHT.get(orientation)
    return pixels if method is None else pixels.transpose(method)
