"""Which images are one picture: the same to the byte, or nearly the same by a perceptual hash, mirrored ones included.

Source: the hash is pHash's, with 255 instead of 64 bits: signs of low cosine frequencies against their median.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE_PX = 64
FREQUENCIES = 16
NEAR_BITS = 44
"""of 255: re-encoding, scaling, light and tint move up to 20, a margin cut off or a line of text 30 to 40 as a rule;
scenes that have nothing in common differ in 98 or more"""

Bits = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The perceptual hash of a picture and of its mirror image, in hexadecimal digits."""

    upright: str
    mirrored: str


def compute_fingerprint(pixels: Image.Image) -> Fingerprint:
    gray = np.asarray(pixels.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.float64)
    waves = _compute_cosines()
    low = waves @ gray @ waves.T
    # A mirror turns the sign of every second horizontal frequency.
    return Fingerprint(_hash_signs(low), _hash_signs(low * (-1.0) ** np.arange(FREQUENCIES)))


def group_duplicates(fingerprints: Sequence[Fingerprint], origins: Sequence[str]) -> list[int]:
    """For each image the number of the first one of its group: near-duplicates, and images of one origin if named."""
    first = list(range(len(fingerprints)))
    by_origin: dict[str, int] = {}
    for number, origin in enumerate(origins):
        if origin:
            _join(first, by_origin.setdefault(origin, number), number)
    upright = _pack([one.upright for one in fingerprints])
    mirrored = _pack([one.mirrored for one in fingerprints])
    for number in range(len(fingerprints)):
        later = upright[number + 1 :]
        near = (
            np.minimum(_count_differing_bits(later, upright[number]), _count_differing_bits(later, mirrored[number]))
            <= NEAR_BITS
        )
        for other in np.flatnonzero(near):
            _join(first, number, number + 1 + int(other))
    return [_find_root(first, number) for number in range(len(first))]


class KnownPictures:
    """Pictures by their upright hashes, of which others may be near-duplicates."""

    def __init__(self, hashes: Sequence[str]) -> None:
        self._upright = _pack(hashes)

    def has_near_duplicate(self, one: Fingerprint) -> bool:
        """Whether a near-duplicate of `one` is among them, mirrored or not."""
        turned = _pack([one.upright, one.mirrored])
        return any(bool((_count_differing_bits(self._upright, side) <= NEAR_BITS).any()) for side in turned)


def count_differing_bits(a: str, b: str) -> int:
    """Bits in which two perceptual hashes differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def _count_differing_bits(hashes: Bits, one: Bits) -> npt.NDArray[np.int64]:
    return np.bitwise_count(hashes ^ one).sum(1, dtype=np.int64)


def _pack(hashes: Sequence[str]) -> Bits:
    whole = b"".join(bytes.fromhex(one) for one in hashes)
    return np.frombuffer(whole, np.uint64).reshape(len(hashes), FREQUENCIES**2 // 64)


def _hash_signs(low: npt.NDArray[np.float64]) -> str:
    """The mean brightness (the first coefficient) is left out."""
    values = low.ravel()[1:]
    bits = np.append(values > np.median(values), False)
    return np.packbits(bits).tobytes().hex()


@cache
def _compute_cosines() -> npt.NDArray[np.float64]:
    """[frequency, place]: the first rows of a discrete cosine transform."""
    places = np.arange(SIDE_PX) + 0.5
    return np.cos(np.pi / SIDE_PX * np.arange(FREQUENCIES)[:, None] * places)


def _find_root(first: list[int], number: int) -> int:
    while first[number] != number:
        first[number] = first[first[number]]
        number = first[number]
    return number


def _join(first: list[int], a: int, b: int) -> None:
    a, b = sorted((_find_root(first, a), _find_root(first, b)))
    first[b] = a
