"""Find images of one picture by a perceptual hash: near-duplicates, mirrored ones included.

Source: pHash, with 255 instead of 64 bits: low cosine frequencies, each compared with their median.
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
"""bits of 255 in which near-duplicates may differ: re-encoding, scaling, brightness and tint change up to 20 bits, a
cropped margin or a line of text usually 30 to 40; scenes that have nothing in common differ in 98 or more"""

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
    """Return for each image the number of the first one of its group.

    Near-duplicates are a group, and so are images of one origin if it is named.
    """
    first = list(range(len(fingerprints)))
    by_origin: dict[str, int] = {}
    for number, origin in enumerate(origins):
        if origin:
            _join(first, by_origin.setdefault(origin, number), number)
    upright = _pack([fingerprint.upright for fingerprint in fingerprints])
    mirrored = _pack([fingerprint.mirrored for fingerprint in fingerprints])
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
    """The upright hashes of pictures, to look up whether another picture is a near-duplicate."""

    def __init__(self, hashes: Sequence[str]) -> None:
        self._upright = _pack(hashes)

    def has_near_duplicate(self, fingerprint: Fingerprint) -> bool:
        """Return whether a near-duplicate is among the known pictures, mirrored or not."""
        turned = _pack([fingerprint.upright, fingerprint.mirrored])
        return any(bool((_count_differing_bits(self._upright, side) <= NEAR_BITS).any()) for side in turned)


def count_differing_bits(a: str, b: str) -> int:
    """Count the bits in which two perceptual hashes differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def _count_differing_bits(hashes: Bits, other: Bits) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = np.bitwise_count(hashes ^ other).sum(1, dtype=np.int64)
    return counts


def _pack(hashes: Sequence[str]) -> Bits:
    whole = b"".join(bytes.fromhex(digits) for digits in hashes)
    return np.frombuffer(whole, np.uint64).reshape(len(hashes), FREQUENCIES**2 // 64)


def _hash_signs(low: npt.NDArray[np.float64]) -> str:
    """Compare each coefficient with the median; the first one, the mean brightness, is left out."""
    values = low.ravel()[1:]
    bits = np.append(values > np.median(values), False)
    return np.packbits(bits).tobytes().hex()


@cache
def _compute_cosines() -> npt.NDArray[np.float64]:
    """Return the first rows of a discrete cosine transform, [frequency, place]."""
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
