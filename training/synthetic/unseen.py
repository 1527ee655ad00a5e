"""Define styles of scenes that no model is trained on: other artifacts, other grounds; all else is the same.

The same rules hold: a crop shows the artifact, and the view does not (`scenes.hide_from_view`).
Shapes: patches are [height, width], in gray levels around zero.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from training.synthetic import textures
from training.synthetic.scenes import SIDE_PX, TRAINED, Artifact, Floats, Style


def add_stripes(rng: np.random.Generator, patch: Floats) -> Floats:
    """Add slanted lines, 3 to 5 px apart."""
    down, across = np.indices(patch.shape)
    period, lean = int(rng.integers(3, 6)), int(rng.choice([-1, 1]))
    lines = ((across + lean * down) % period == 0).astype(np.float32)
    striped: Floats = patch + (lines - lines.mean()) * np.float32(rng.uniform(26, 38))
    return striped


def add_speckles(rng: np.random.Generator, patch: Floats) -> Floats:
    """Add bright and dark specks of 2 px at random places, as from a decoder that fails in places."""
    cells = rng.random(((patch.shape[0] + 1) // 2, (patch.shape[1] + 1) // 2), np.float32)
    specks = (cells > 0.94).astype(np.float32) - (cells < 0.06)
    spread = specks.repeat(2, 0).repeat(2, 1)[: patch.shape[0], : patch.shape[1]]
    return patch + spread * np.float32(rng.uniform(22, 34))


def overlay_copy(rng: np.random.Generator, patch: Floats) -> Floats:
    """Overlay a copy that is moved by 4 to 7 px."""
    x, y = (int(rng.choice([-1, 1]) * rng.integers(4, 8)) for _ in range(2))
    again = np.roll(patch, (y, x), (0, 1))
    return np.float32(0.8) * (patch + again)


def paint_waves(rng: np.random.Generator) -> Floats:
    """Paint a glow from one corner under broad slanted waves; trained scenes have a horizon under clouds."""
    down, across = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    corner_x, corner_y = rng.choice([0, SIDE_PX], 2)
    far = np.hypot(across - corner_x, down - corner_y)[..., None] / np.float32(SIDE_PX * np.sqrt(2))
    near_color, far_color = rng.uniform(70, 200, 3), rng.uniform(60, 180, 3)
    angle, period_px = rng.uniform(0, np.pi), rng.uniform(70, 140)
    wave = np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / period_px) * rng.uniform(6, 12)
    clouds = textures.draw_smooth_noise(rng, 12, (SIDE_PX, SIDE_PX), 4)
    canvas: Floats = (near_color * (1 - far) + far_color * far + wave[..., None] + clouds[..., None]).astype(np.float32)
    return canvas


UNSEEN: Mapping[str, Style] = {
    "unseen_artifacts": replace(
        TRAINED,
        artifacts={Artifact.CHECKERBOARD: add_stripes, Artifact.SMOOTHED: add_speckles, Artifact.TILES: overlay_copy},
    ),
    "unseen_grounds": replace(TRAINED, ground=paint_waves),
}
"""a detail's `artifact` names the trained artifact that is replaced"""
