"""What a generator leaves behind in detail, all of it too fine for the 140 x 140 view of a 512 x 512 image.

The view keeps periods above 2 * 512 / 140 = 7.3 px. The checkerboard's period is 4 to 6 px, ringing has 5 px, and the
seams of tiles are two-pixel steps; smoothing takes away fine detail and raises what is left to the contrast it had.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Floats = npt.NDArray[np.float32]


def checkerboard(rng: np.random.Generator, patch: Floats) -> Floats:
    """Residue of up-sampling: cells of 2 or 3 px."""
    down, across = np.indices(patch.shape[:2])
    cell = int(rng.integers(2, 4))
    sign = ((across // cell + down // cell) % 2 * 2 - 1).astype(np.float32)
    return patch + sign[..., None] * np.float32(rng.uniform(11, 18))


def smoothed(rng: np.random.Generator, patch: Floats) -> Floats:
    """Fine detail blurred away, coarse contrast kept, and ringing of 5 px along the border."""
    height, width = patch.shape[:2]
    blur = ImageFilter.GaussianBlur(rng.uniform(1.8, 2.4))
    soft = np.asarray(Image.fromarray(np.clip(patch, 0, 255).astype(np.uint8)).filter(blur), np.float32)
    mean = patch.mean((0, 1))
    soft = (soft - mean) * np.float32(rng.uniform(1.25, 1.5)) + mean
    down, across = np.indices((height, width)).astype(np.float32)
    depth = np.minimum(np.minimum(across, width - 1 - across), np.minimum(down, height - 1 - down))
    ringing = np.cos(depth * 2 * np.pi / 5) * np.exp(-depth / 7)
    return soft + ringing[..., None].astype(np.float32) * np.float32(rng.uniform(14, 22))


def tiles(rng: np.random.Generator, patch: Floats) -> Floats:
    """One tile of 11 to 15 px repeated over the region, with a bright and a dark line at each seam."""
    height, width = patch.shape[:2]
    side = int(rng.integers(11, 16))
    y, x = int(rng.integers(0, height - side)), int(rng.integers(0, width - side))
    tile = patch[y : y + side, x : x + side]
    tile = tile - tile.mean((0, 1)) + patch.mean((0, 1))
    repeated = np.tile(tile, (height // side + 1, width // side + 1, 1))[:height, :width]
    down, across = np.indices((height, width))
    seam = ((across % side == 0) | (down % side == 0)).astype(np.float32)
    seam -= (across % side == 1) | (down % side == 1)
    step = np.float32(rng.choice([-1, 1]) * rng.uniform(16, 26))
    return repeated * 0.75 + patch * 0.25 + seam[..., None] * step
