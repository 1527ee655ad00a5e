"""The files of a checkpoint that become a revision, with their digests."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, changes_answers, require_model
from pipeline.errors import BadSettings
from pipeline.registry.file_check import Identity, read_identity
from pipeline.registry.manifest import MANIFEST_NAME, RevisionFile, check_path
from pipeline.registry.notices import Notify

DESCRIBING = (".md", "LICENSE", "NOTICE")
"""ends of the names of files that change no answer, and are pushed all the same"""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine with its digest, and its state when it was hashed."""

    path: Path
    file: RevisionFile
    identity: Identity | None

    def is_unchanged(self) -> bool:
        return read_identity(self.path.resolve()) == self.identity


def describe_checkpoint(directory: Path, *, notify: Notify) -> dict[str, LocalFile]:
    """Hash the files of a checkpoint, by name; folders, hidden files, and files that change no answer are left out.

    Raises: BadSettings if there is no model, or a name is not possible in a registry.
    """
    require_model(directory)
    files = {path.name: path for path in sorted(directory.iterdir()) if path.is_file() and path.name[0] != "."}
    pushed = [name for name in files if changes_answers(name) or name == CARD_NAME or name.endswith(DESCRIBING)]
    for name in pushed:
        _check_name(files[name])
    if left_out := sorted(files.keys() - pushed):
        notify(f"not pushed, as they change no answer: {', '.join(left_out)}")
    return {name: describe_file(files[name]) for name in pushed}


def describe_file(path: Path) -> LocalFile:
    """Hash a file; a link stands for the file that it leads to, as in the cache of Hugging Face."""
    identity = read_identity(path.resolve())
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return LocalFile(path, RevisionFile(sha256=digest, bytes=stream.tell()), identity)


def _check_name(path: Path) -> None:
    if path.name == MANIFEST_NAME:
        raise BadSettings(f"{path} has the name of the registry's own file: rename or delete it")
    try:
        check_path(path.name)
    except ValueError as error:
        raise BadSettings(f"{path}: its name is not possible in a registry; rename it") from error
