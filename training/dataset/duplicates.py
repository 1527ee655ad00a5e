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
    """The upright hashes of pictures, numbered as they are added, to look up near-duplicates of another picture."""

    def __init__(self, hashes: Sequence[str] = ()) -> None:
        self._upright = _pack(hashes)  # its length doubles when it is full, so that adding stays cheap
        self._count = len(hashes)

    def add(self, perceptual_hash: str) -> None:
        if self._count == len(self._upright):
            self._upright = np.resize(self._upright, (max(64, 2 * self._count), self._upright.shape[1]))
        self._upright[self._count] = _pack([perceptual_hash])[0]
        self._count += 1

    def find_near_duplicates(self, fingerprint: Fingerprint) -> list[int]:
        """Return the numbers of the known pictures that are near-duplicates, mirrored or not."""
        upright, mirrored = (
            _count_differing_bits(self._upright[: self._count], side)
            for side in _pack([fingerprint.upright, fingerprint.mirrored])
        )
        near: list[int] = np.flatnonzero(np.minimum(upright, mirrored) <= NEAR_BITS).tolist()
        return near

    def has_near_duplicate(self, fingerprint: Fingerprint) -> bool:
        return bool(self.find_near_duplicates(fingerprint))


def _count_differing_bits(hashes: Bits, other: Bits) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = np.bitwise_count(hashes ^ other).sum(1, dtype=np.int64)
    return counts


def _pack(hashes: Sequence[str]) -> Bits:
    whole = b"".join(bytes.fromhex(digits) for digits in hashes)
    return np.frombuffer(whole, np.uint64).reshape(len(hashes), FREQUENCIES**2 // 64)


def _hash_signs(low: npt.NDArray[np.float64]) -> str:
    """Compare each coefficient with the median; the first one, the mean brightness, is left out.

    Rounded: what is zero but for the order of a sum must give the same bits on every machine.
    """
    values = np.round(low.ravel()[1:], 3)
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
