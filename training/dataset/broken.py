"""Leave broken files of a set out of what is measured on it: a few are counted, and more of them refuse the set.

They are found before any model is asked, so that all models and all passes are measured on the same images.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.decoding.decode import decode
from pipeline.errors import DECODING_ERRORS, BadSettings, ZoomInError
from pipeline.verdict import RgbImage
from training.dataset.left_out import UNREADABLE, LeftOut, count_reasons

MAX_PIXELS = 100_000_000
MOST_FRACTION = 0.05
"""of a set's files that may be broken; one always may"""
MOST_LISTED = 20
REASONS = frozenset({UNREADABLE, *(error("").code for error in DECODING_ERRORS)})


def read_image(file: Path, name: str) -> tuple[bytes, RgbImage] | LeftOut:
    """Return the bytes and the image of a file, or why it is broken."""
    try:
        data = file.read_bytes()
        return data, decode(data, max_pixels=MAX_PIXELS)
    except ZoomInError as error:
        return LeftOut(name, error.code, error.detail)
    except OSError as error:
        return LeftOut(name, UNREADABLE, error.strerror or "cannot be read")


def refuse_many(broken: Sequence[LeftOut], total: int, directory: Path) -> None:
    """Refuse a set of `total` files of which too many are broken. Raises: BadSettings with the counts."""
    if len(broken) > max(1, MOST_FRACTION * total):
        raise BadSettings(
            f"{len(broken)} of {total} images of {directory} cannot be read ({format_reasons(broken)}), which is more "
            f"than {MOST_FRACTION:.0%}: fetch the set again, or mend or remove those files"
        )


def describe(broken: Sequence[LeftOut], title: str) -> str:
    """Describe in one line how many files are left out, and why."""
    return f"{title}: {len(broken)} images cannot be read and are left out ({format_reasons(broken)})"


def convert_to_json(broken: Sequence[LeftOut]) -> dict[str, Any]:
    """Return the number of broken files, their reasons, and the names of the first of them."""
    return {
        "images": len(broken),
        "reasons": count_reasons(broken),
        "files": [file.name for file in broken[:MOST_LISTED]],
    }


def format_reasons(found: Sequence[LeftOut]) -> str:
    """Format each reason with its count and the first file."""
    first = {left_out.reason: left_out.name for left_out in reversed(found)}
    return ", ".join(f"{count} {reason}: {first[reason]}" for reason, count in count_reasons(found).items())
