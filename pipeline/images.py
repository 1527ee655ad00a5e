"""Builds views and crops for the model from RGB images."""

import hashlib
import io
import zlib

from PIL import Image

from pipeline import geometry
from pipeline.verdict import BoundingBox, Crop, ModelImage, RgbImage


def build_view(image: RgbImage, max_pixels: int) -> ModelImage:
    """Resize the whole image to the size that the model sees; vLLM does not resize it again."""
    return build_model_image(resize_view(image, max_pixels))


def resize_view(image: RgbImage, max_pixels: int) -> Image.Image:
    """Return the pixels of `build_view`, without their digest."""
    return _resize(image.pixels, geometry.fit(image.size_px, max_pixels))


def crop(image: RgbImage, box: BoundingBox, max_pixels: int) -> Crop:
    """Cut `box` with its margin from the full-size image and scale it to the pixel budget."""
    return Crop(box, build_model_image(cut_window(image, box, max_pixels)))


def cut_window(image: RgbImage, box: BoundingBox, max_pixels: int) -> Image.Image:
    """Return the pixels of `crop`, without their digest."""
    window = geometry.find_crop_window(box, image.size_px)
    # Image.crop would compare the window with Pillow's own limit; the whole image passed ours.
    cut = image.pixels._new(image.pixels.im.crop(window.corners))
    return _resize(cut, geometry.compute_crop_size(box, image.size_px, max_pixels))


def build_model_image(pixels: Image.Image) -> ModelImage:
    return ModelImage(pixels, digest_pixels(pixels))


def digest_pixels(pixels: Image.Image) -> str:
    """Return the sha256 of size and RGB bytes."""
    return digest_rgb(pixels.size, pixels.tobytes())


def digest_rgb(size: geometry.Size, rgb: bytes) -> str:
    digest = hashlib.sha256(f"{size[0]}x{size[1]}".encode())
    digest.update(rgb)
    return digest.hexdigest()


def encode_png(pixels: Image.Image) -> bytes:
    """Encode the pixels as PNG: lossless, without metadata, compressed for speed rather than size."""
    stream = io.BytesIO()
    bare = pixels.copy()
    bare.info = {}
    bare.save(stream, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return stream.getvalue()


def _resize(pixels: Image.Image, size: geometry.Size) -> Image.Image:
    if pixels.size == size:
        return pixels
    return pixels.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
