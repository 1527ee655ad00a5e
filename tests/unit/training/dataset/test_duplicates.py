import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageEnhance, ImageOps

from training.dataset import duplicates, frame
from training.dataset.duplicates import Fingerprint
from training.synthetic import scenes


def of(pixels: Image.Image) -> Fingerprint:
    return duplicates.compute_fingerprint(frame.apply_codec_chain(pixels))


def reencoded(pixels: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    pixels.save(stream, "JPEG", quality=30)
    return Image.open(stream).convert("RGB")


@pytest.mark.parametrize(
    "change",
    [
        reencoded,
        lambda pixels: pixels.resize((256, 256)),
        lambda pixels: ImageEnhance.Brightness(pixels).enhance(1.2),
        lambda pixels: ImageEnhance.Color(pixels).enhance(0.5),
        ImageOps.mirror,
        lambda pixels: ImageOps.mirror(reencoded(pixels)),
    ],
)
def test_what_changes_little_stays_in_its_group(change: Callable[[Image.Image], Image.Image]) -> None:
    pictures = [scenes.draw_scene(seed).image.pixels for seed in range(4)]
    found = duplicates.group_duplicates([of(one) for one in (*pictures, change(pictures[2]))], [""] * 5)
    assert found == [0, 1, 2, 3, 2]


def test_images_of_one_origin_are_one_group_and_groups_join() -> None:
    a, b, c, d = (of(scenes.draw_scene(seed).image.pixels) for seed in range(4))
    assert duplicates.group_duplicates([a, b, c, d, b], ["", "reel", "", "reel", "other"]) == [0, 1, 2, 1, 1]
    assert duplicates.group_duplicates([a, b, c, d], ["", "x", "x", ""]) == [0, 1, 1, 3]
    assert duplicates.group_duplicates([], []) == []


def test_a_fingerprint_has_255_bits_in_64_digits() -> None:
    own = of(scenes.draw_scene(1).image.pixels)
    assert len(own.upright) == len(own.mirrored) == 64


def test_known_pictures_grow_and_are_found_by_number_mirrored_or_not() -> None:
    pictures = [scenes.draw_scene(seed).image.pixels for seed in range(3)]
    known = duplicates.KnownPictures([of(pictures[0]).upright])
    for number in range(200):
        known.add(f"{number:02x}" * 32)
    known.add(of(pictures[1]).upright)
    assert known.find_near_duplicates(of(ImageOps.mirror(pictures[1]))) == [201]
    assert known.has_near_duplicate(of(reencoded(pictures[0])))
    assert not known.has_near_duplicate(of(pictures[2]))


def test_a_flat_picture_has_the_same_bits_everywhere() -> None:
    """Its frequencies are zero but for the order of a sum, which differs between machines."""
    assert int(of(Image.new("RGB", (90, 60), (200, 10, 10))).upright, 16) == 0
