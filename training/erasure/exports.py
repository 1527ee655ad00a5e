"""Files that Label Studio's export left in its data directory: they outlive the deletion of a task."""

import mmap
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("export", "media/export")


def find_exports(data_directory: Path, names: frozenset[str]) -> Iterator[Path]:
    """Yield the files of earlier exports that hold one of these names: case ids, or keys of images."""
    wanted = [name.encode() for name in names]
    for folder in FOLDERS:
        for path in sorted((data_directory / folder).rglob("*")):
            if path.is_file() and path.stat().st_size and _holds_one(path, wanted):
                yield path


def _holds_one(path: Path, wanted: list[bytes]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(name) >= 0 for name in wanted)
