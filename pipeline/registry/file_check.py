"""Compare a folder with the manifest of a revision: files that are missing, wrong, or not part of it."""

import hashlib
import stat
from pathlib import Path

from pipeline.registry.cache_entry import list_files
from pipeline.registry.manifest import RevisionFile, RevisionManifest

Identity = tuple[int, int, int]
"""inode, time of the last change in ns and size of a file; a file that is replaced gets another one"""


def find_faults(folder: Path, manifest: RevisionManifest, checked: dict[str, Identity]) -> dict[str, Identity | None]:
    """Return the paths of files that are missing, wrong or too many, with what stands there now.

    `checked` holds the files that are known to be right, and is filled; they are not hashed again.
    """
    strangers = {path.relative_to(folder).as_posix() for path in list_files(folder)} - manifest.files.keys()
    faults = {path: read_identity(folder / path) for path in strangers}
    for path, file in manifest.files.items():
        identity = read_identity(folder / path)
        if identity is not None and checked.get(path) == identity:
            continue
        if identity is not None and is_right(folder / path, file):
            checked[path] = identity
        else:
            faults[path] = identity
    return faults


def is_right(path: Path, file: RevisionFile) -> bool:
    """Hash a file of the right size; a link is never right, as it may lead elsewhere tomorrow."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size != file.bytes:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


def read_identity(path: Path) -> Identity | None:
    """Return None for a file that is missing."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
