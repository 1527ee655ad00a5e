"""Record which images did not come into a set, each with its reason, in `left_out.jsonl`."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "left_out.jsonl"
UNREADABLE = "file_unreadable"
REPAIRED = "image_repaired"
"""the file is broken, and the worker judges it as viewers show it; training leaves it out"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An image that is not in the set; images are counted by `reason`, and `detail` is for readers."""

    name: str
    reason: str
    detail: str = ""


def write_left_out(directory: Path, left_out: Iterable[LeftOut]) -> None:
    lines = (json.dumps(asdict(image), ensure_ascii=False) + "\n" for image in left_out)
    (directory / NAME).write_text("".join(lines))


def read_left_out(directory: Path) -> list[LeftOut]:
    """Read the images that were left out; none if the directory has no such file."""
    path = directory / NAME
    return [LeftOut(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []


def count_reasons(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """Count the images by reason, the most frequent reason first."""
    return dict(Counter(image.reason for image in left_out).most_common())
