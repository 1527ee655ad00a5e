"""One revision of one model in the cache of a machine: the folder of its files, its locks, and its size."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.registry.manifest import RevisionFile

HOLD_SUFFIX = ".held"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """`files` is the folder that is handed out. Beside it, hidden, stand two lock files and the unfinished downloads.

    `hold` is locked shared by each process that uses the files, and alone by who deletes them; its content is the size
    that was reserved, its time the last use. `work` is locked alone while files change, shared while they are checked.
    """

    files: Path

    @property
    def hold(self) -> Path:
        return self.files.with_name(f".{self.files.name}{HOLD_SUFFIX}")

    @property
    def work(self) -> Path:
        return self.files.with_name(f".{self.files.name}.work")

    @property
    def parts(self) -> Path:
        return self.files.with_name(f".{self.files.name}.parts")

    def locate_part(self, file: RevisionFile) -> Path:
        return self.parts / file.sha256

    def reserve(self, total_bytes: int) -> None:
        """Note the size that the entry will have, and that it is used now."""
        self.hold.write_text(str(total_bytes))

    def mark_used(self) -> None:
        self.hold.touch()

    def read_last_use(self) -> float:
        """Return the time of the last use, 0 for an entry that is gone."""
        try:
            return self.hold.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def read_reserved_bytes(self) -> int:
        try:
            return int(self.hold.read_text() or 0)
        except FileNotFoundError:
            return 0

    def measure_bytes(self) -> int:
        """Return the bytes that the entry has on disk now."""
        paths = (path for folder in (self.files, self.parts) for path in list_files(folder))
        return sum(_measure(path) for path in paths)

    def delete(self) -> None:
        """Delete the files, then the locks; the caller holds `hold` alone."""
        for folder in (self.files, self.parts):
            shutil.rmtree(folder, ignore_errors=True)
        self.work.unlink(missing_ok=True)
        self.hold.unlink()


def list_entries(directory: Path) -> list[CacheEntry]:
    """List the entries of a cache: bucket/revision/name."""
    holds = directory.glob(f"*/*/.*{HOLD_SUFFIX}")
    return [CacheEntry(hold.with_name(hold.name[1:].removesuffix(HOLD_SUFFIX))) for hold in holds]


def list_files(folder: Path) -> Iterator[Path]:
    """Yield all below a folder that is no folder; a link to a folder is yielded, not entered."""
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        yield from (Path(root) / name for name in (*names, *links))


def _measure(path: Path) -> int:
    """Return the bytes of a file, 0 if another process has deleted or moved it meanwhile."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
