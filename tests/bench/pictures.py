"""As many different 512 px JPEGs as wanted, the same for the same number: scenes of the demo's kind, shifted around."""

import io

import numpy as np
from PIL import Image

from training.synthetic import scenes

SCENES = 32
FIRST_SEED = 90_000_000  # far from what any model is trained on
JPEG_QUALITY = 92
STRIDE_PX = (37, 61)  # coprime to the side: no shift of a scene comes twice


class Pictures:
    def __init__(self) -> None:
        self._canvases = [np.asarray(scenes.draw_scene(FIRST_SEED + i).image.pixels) for i in range(SCENES)]

    def jpeg(self, number: int) -> bytes:
        """The picture of this number."""
        turn, scene = divmod(number, SCENES)
        shifted = np.roll(self._canvases[scene], (turn * STRIDE_PX[0], turn * STRIDE_PX[1]), (0, 1))
        stream = io.BytesIO()
        Image.fromarray(shifted).save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()
