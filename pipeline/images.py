"""Decodes bytes to validated RGB images, and cuts views and crops for the model."""

import hashlib
import io
import warnings
import zlib

from PIL import AvifImagePlugin, Image, ImageCms, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from pipeline import geometry
from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, ZoomInError
from pipeline.verdict import BoundingBox, Crop, ModelImage, RgbImage

# Taken from their plugins: importing these keeps Pillow from loading all its plugins.
FORMATS = (
    "JPEG",
    "PNG",
    "GIF",
    "BMP",
    WebPImagePlugin.WebPImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
)
SIGNATURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")
TO_8_BIT = [(value + 128) // 257 for value in range(65536)]
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


def decode(data: bytes, *, max_pixels: int) -> RgbImage:
    """Decode the first frame of a file as a viewer shows it: upright, sRGB, 8 bit, transparency over white.

    JPEG is decoded at full size (no draft mode), so that the same bytes always give the same pixels. The input is
    untrusted: call this function only where memory and time are limited.
    Raises: ImageRefused, ImageTooLarge, ImageUndecodable.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow checks it for each frame, before it reads a pixel
        try:
            return _decode(data)
        except ZoomInError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            size, _, _ = str(error).partition(" exceeds")  # Pillow goes on with twice the limit
            raise ImageTooLarge(f"{size} exceeds the limit of {max_pixels} pixels") from error
        except MemoryError as error:
            raise ImageTooLarge("decoding needs more memory than it may have") from error
        except Exception as error:  # on broken files Pillow's plugins raise errors of any type
            raise ImageUndecodable(f"cannot be decoded: {type(error).__name__}: {str(error)[:200]}") from error


def build_view(image: RgbImage, max_pixels: int) -> ModelImage:
    """Resize the whole image to the size that the model sees; vLLM does not resize it again."""
    return build_model_image(_resize(image.pixels, geometry.fit(image.size_px, max_pixels)))


def crop(image: RgbImage, box: BoundingBox, max_pixels: int) -> Crop:
    """Cut `box` with its margin from the full-size image and scale it to the pixel budget."""
    window = geometry.find_crop_window(box, image.size_px)
    cut = image.pixels.crop(window.corners)
    return Crop(box, build_model_image(_resize(cut, geometry.compute_crop_size(box, image.size_px, max_pixels))))


def build_model_image(pixels: Image.Image) -> ModelImage:
    return ModelImage(pixels, digest_pixels(pixels))


def digest_pixels(pixels: Image.Image) -> str:
    """Return the sha256 of size and RGB bytes."""
    return hashlib.sha256(f"{pixels.width}x{pixels.height}".encode() + pixels.tobytes()).hexdigest()


def encode_png(pixels: Image.Image) -> bytes:
    """Encode the pixels as PNG: lossless, without metadata, compressed for speed rather than size."""
    stream = io.BytesIO()
    bare = pixels.copy()
    bare.info = {}
    bare.save(stream, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return stream.getvalue()


def _decode(data: bytes) -> RgbImage:
    if not data:
        raise ImageUndecodable("the object is empty")
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data.startswith(SIGNATURES) or data[4:12] == b"ftypavif":
            raise ImageUndecodable("begins like an image that we judge, and is broken") from error
        raise ImageRefused(f"none of {', '.join(FORMATS)}") from error
    with opened as image:
        frames = getattr(image, "n_frames", 1)
        image.load()
        pixels = _turn_upright(_convert_to_rgb(image), image)
        pixels = pixels._new(pixels.im)  # without a copy, and without what the file's own class knows of it
        pixels.info = {}  # drop the metadata: place, camera, texts, profiles
        return RgbImage(pixels, (image.format or "").lower(), frames)


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise ImageRefused("samples of 32 bits: the file does not say what is white")
    icc_profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(TO_8_BIT, "L")
    elif image.has_transparency_data:
        image = _blend_over_white(image.convert("RGBA"))
    elif image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    if icc_profile:
        return _convert_to_srgb(image, icc_profile)
    return image if image.mode == "RGB" else image.convert("RGB")  # convert would copy


def _blend_over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _convert_to_srgb(image: Image.Image, icc_profile: bytes) -> Image.Image:
    """Apply the file's colour profile; ignore a broken profile or one of other channels, as viewers do."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        if (profile.profile.profile_description or "").startswith("sRGB"):
            return image if image.mode == "RGB" else image.convert("RGB")
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        converted = None
    return converted or image.convert("RGB")


def _turn_upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # noqa: BLE001 - Pillow raises any error on broken EXIF; viewers show the image unturned
        return pixels
    method = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return pixels if method is None else pixels.transpose(method)


def _resize(pixels: Image.Image, size: geometry.Size) -> Image.Image:
    if pixels.size == size:
        return pixels
    return pixels.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
