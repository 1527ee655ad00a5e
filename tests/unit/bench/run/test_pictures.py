import io

import numpy as np
from PIL import Image

from tests.bench.run.pictures import SCENES, Photographs, Pictures


def test_every_number_is_another_512_px_jpeg() -> None:
    pictures = Pictures()
    numbers = [0, 1, SCENES, 2 * SCENES, 511 * SCENES]
    pixels = set()
    for number in numbers:
        image = Image.open(io.BytesIO(pictures.jpeg(number)))
        assert (image.format, image.size) == ("JPEG", (512, 512))
        pixels.add(image.tobytes())
    assert len(pixels) == len(numbers)


def test_the_same_number_is_the_same_picture() -> None:
    assert Pictures().jpeg(7) == Pictures().jpeg(7)


def test_photographs_have_the_size_that_was_asked_for_and_differ_by_number() -> None:
    photographs = Photographs((120, 90))
    images = [Image.open(io.BytesIO(photographs.jpeg(number))) for number in (0, 1, 2)]
    assert {(image.format, image.mode, image.size) for image in images} == {("JPEG", "RGB", (120, 90))}
    assert len({image.tobytes() for image in images}) == len(images)
    assert Photographs((120, 90)).jpeg(1) == photographs.jpeg(1)


def test_a_photograph_has_contrast_at_every_scale() -> None:
    image = Image.open(io.BytesIO(Photographs((512, 384)).jpeg(0))).convert("L")
    for side_px in (512, 64, 8):
        assert np.ptp(np.asarray(image.resize((side_px, side_px * 3 // 4)))) > 60
