"""Apply artifacts of generative models to the brightness of a region.

Shapes: patches are [height, width], in gray levels around zero.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Floats = npt.NDArray[np.float32]
MIDDLE_GRAY = 128


def add_checkerboard(rng: np.random.Generator, patch: Floats) -> Floats:
    """Add the residue of up-sampling: cells of 2 or 3 px, a period of 4 to 6."""
    down, across = np.indices(patch.shape)
    cell = int(rng.integers(2, 4))
    sign = ((across // cell + down // cell) % 2 * 2 - 1).astype(np.float32)
    checkered: Floats = patch + sign * np.float32(rng.uniform(11, 18))
    return checkered


def smooth_detail(rng: np.random.Generator, patch: Floats) -> Floats:
    """Blur fine detail, keep coarse contrast, and add ringing of 5 px along the border."""
    height, width = patch.shape
    blur = ImageFilter.GaussianBlur(rng.uniform(1.8, 2.4))
    levels = np.clip(patch + MIDDLE_GRAY, 0, 255).astype(np.uint8)
    soft = np.asarray(Image.fromarray(levels).filter(blur), np.float32) - MIDDLE_GRAY
    soft = (soft - patch.mean()) * np.float32(rng.uniform(1.25, 1.5)) + patch.mean()
    down, across = np.indices((height, width)).astype(np.float32)
    depth = np.minimum(np.minimum(across, width - 1 - across), np.minimum(down, height - 1 - down))
    ringing = np.cos(depth * np.float32(2 * np.pi / 5)) * np.exp(-depth / 7)
    smooth: Floats = soft + ringing * np.float32(rng.uniform(14, 22))
    return smooth


def repeat_tile(rng: np.random.Generator, patch: Floats) -> Floats:
    """Repeat one tile of 11 to 15 px over the region, with a bright and a dark line at each seam."""
    height, width = patch.shape
    side = int(rng.integers(11, 16))
    y, x = int(rng.integers(0, height - side)), int(rng.integers(0, width - side))
    tile = patch[y : y + side, x : x + side]
    tile = tile - tile.mean() + patch.mean()
    repeated = np.tile(tile, (height // side + 1, width // side + 1))[:height, :width]
    down, across = np.indices((height, width))
    seam = ((across % side == 0) | (down % side == 0)).astype(np.float32)
    seam -= (across % side == 1) | (down % side == 1)
    step = np.float32(rng.choice([-1, 1]) * rng.uniform(16, 26))
    tiled: Floats = repeated * 0.75 + patch * 0.25 + seam * step
    return tiled
