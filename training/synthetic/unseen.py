"""Scenes that look like nothing a model was trained on: other artifacts, other grounds. Everything else is the same.

Their truth is held to the same rules: a close look shows what is wrong, and the view does not (`scenes.beyond_view`).
Shapes: patches are [height, width], in gray levels around zero.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from training.synthetic import textures
from training.synthetic.scenes import SIDE_PX, TRAINED, Artifact, Floats, Style


def stripes(rng: np.random.Generator, patch: Floats) -> Floats:
    """A comb of slanted lines, 3 to 5 px apart, in place of a grid."""
    down, across = np.indices(patch.shape)
    period, lean = int(rng.integers(3, 6)), int(rng.choice([-1, 1]))
    lines = ((across + lean * down) % period == 0).astype(np.float32)
    striped: Floats = patch + (lines - lines.mean()) * np.float32(rng.uniform(26, 38))
    return striped


def speckled(rng: np.random.Generator, patch: Floats) -> Floats:
    """Bright and dark specks of 2 px strewn over it, as from a decoder that fails here and there."""
    cells = rng.random(((patch.shape[0] + 1) // 2, (patch.shape[1] + 1) // 2), np.float32)
    specks = (cells > 0.94).astype(np.float32) - (cells < 0.06)
    spread = specks.repeat(2, 0).repeat(2, 1)[: patch.shape[0], : patch.shape[1]]
    return patch + spread * np.float32(rng.uniform(22, 34))


def doubled(rng: np.random.Generator, patch: Floats) -> Floats:
    """Everything once more, 4 to 7 px beside itself."""
    x, y = (int(rng.choice([-1, 1]) * rng.integers(4, 8)) for _ in range(2))
    again = np.roll(patch, (y, x), (0, 1))
    return np.float32(0.8) * (patch + again)


def waves(rng: np.random.Generator) -> Floats:
    """A glow from one corner under broad slanted waves, where trained scenes have a horizon under clouds."""
    down, across = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    corner_x, corner_y = rng.choice([0, SIDE_PX], 2)
    far = np.hypot(across - corner_x, down - corner_y)[..., None] / np.float32(SIDE_PX * np.sqrt(2))
    near_color, far_color = rng.uniform(70, 200, 3), rng.uniform(60, 180, 3)
    angle, period_px = rng.uniform(0, np.pi), rng.uniform(70, 140)
    wave = np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / period_px) * rng.uniform(6, 12)
    clouds = textures.smooth_noise(rng, 12, (SIDE_PX, SIDE_PX), 4)
    canvas: Floats = (near_color * (1 - far) + far_color * far + wave[..., None] + clouds[..., None]).astype(np.float32)
    return canvas


UNSEEN: Mapping[str, Style] = {
    "unseen_artifacts": replace(
        TRAINED,
        artifacts={Artifact.CHECKERBOARD: stripes, Artifact.SMOOTHED: speckled, Artifact.TILES: doubled},
    ),
    "unseen_grounds": replace(TRAINED, ground=waves),
}
"""a detail's `artifact` names the trained one whose place it took"""
