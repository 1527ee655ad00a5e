import io

from PIL import Image

from tests.bench.pictures import SCENES, Pictures


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
