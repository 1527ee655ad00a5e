"""The cache of a machine for revisions of a registry, shared by its workers and bounded in bytes.

Invariant: the folder that is handed out holds the files of the manifest and nothing else, each checked since the call.
A revision that is in use is neither deleted nor changed, except that a file which broke on disk is replaced.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pipeline.checkpoint import CARD_NAME, compute_revision, read_card
from pipeline.errors import BadSettings, StoreUnavailable
from pipeline.registry.address import format_folder
from pipeline.registry.cache_entry import CacheEntry
from pipeline.registry.cache_room import make_room
from pipeline.registry.download import download_file
from pipeline.registry.file_check import Identity, find_faults, read_identity
from pipeline.registry.file_lock import hold_lock
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.notices import Notify, ignore
from pipeline.registry.registry import ModelRegistry

PAUSE_S = 0.5
STALL_S = 600.0
"""how long a process waits for another one that brings no byte: it may be hashing a large model"""
ROUNDS = 4
"""of checking and replacing, before a disk is said to keep no file"""


@dataclass(frozen=True, slots=True)
class RevisionCache:
    """Revisions in `directory`, at most `max_bytes` of them. All calls block: hashing a large model takes minutes.

    `notify` gets a sentence before each thing that takes long. `sleep` is called while a fetch waits, and between
    attempts: an exception that it raises ends the fetch.
    """

    directory: Path
    max_bytes: int
    notify: Notify = ignore
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @contextmanager
    def fetch(self, registry: ModelRegistry, revision: str) -> Iterator[Path]:
        """Yield the folder of the checked files, which stays until the block ends; its name is the model's.

        A download that another process of this machine has begun is waited for, one that was broken off goes on.

        Raises: BadSettings if the revision does not exist, or a file of it is missing or wrong; CacheFull; AccessDenied
        and StoreUnavailable, after which the next fetch goes on; OSError from the disk.
        """
        manifest = registry.read_manifest(revision)
        entry = CacheEntry(self.directory / registry.bucket / format_folder(revision) / registry.name)
        with hold_lock(entry.hold, shared=True, wait=self._build_wait(entry)):
            entry.mark_used()
            self._complete(registry, manifest, entry)
            try:
                yield entry.files
            finally:
                entry.mark_used()

    def _complete(self, registry: ModelRegistry, manifest: RevisionManifest, entry: CacheEntry) -> None:
        checked: dict[str, Identity] = {}
        for _ in range(ROUNDS):
            with hold_lock(entry.work, shared=True, wait=self._build_wait(entry)):
                if not checked:
                    self.notify(f"checking {manifest.total_bytes:,} bytes of {manifest.name} by their digests")
                faults = find_faults(entry.files, manifest, checked)
            if not faults:
                _check_revision(manifest, entry.files)
                return
            with hold_lock(entry.work, shared=False, wait=self._build_wait(entry)):
                self._replace(registry, manifest, entry, faults, checked)
        raise BadSettings(f"{entry.files} changes while it is read ({', '.join(sorted(faults))}): check its disk")

    def _replace(
        self,
        registry: ModelRegistry,
        manifest: RevisionManifest,
        entry: CacheEntry,
        faults: Mapping[str, Identity | None],
        checked: dict[str, Identity],
    ) -> None:
        """Delete what is wrong and download what is missing, unless another process has done so meanwhile."""
        open_faults = [path for path, identity in faults.items() if read_identity(entry.files / path) == identity]
        for path in open_faults:
            if faults[path] is not None:
                self.notify(f"{entry.files / path} is not what its manifest says, and is deleted")
                (entry.files / path).unlink()
        missing = [path for path in open_faults if path in manifest.files]
        if not missing:
            return
        self._make_room(entry, manifest)
        self.notify(f"fetching {len(missing)} of {len(manifest.files)} files of {manifest.name} {manifest.revision}")
        for path in missing:
            self._download(registry, manifest, entry, path)
            checked[path] = cast("Identity", read_identity(entry.files / path))

    def _make_room(self, entry: CacheEntry, manifest: RevisionManifest) -> None:
        with hold_lock(self.directory / ".room", shared=False, wait=self._build_wait(entry)):
            make_room(self.directory, self.max_bytes, entry, manifest.total_bytes, notify=self.notify)

    def _download(self, registry: ModelRegistry, manifest: RevisionManifest, entry: CacheEntry, path: str) -> None:
        file, target = manifest.files[path], entry.files / path
        part = entry.locate_part(file)
        part.parent.mkdir(exist_ok=True)
        key = registry.build_file_key(manifest.revision, path)
        download_file(registry, key, file, part, pause=lambda: self.sleep(PAUSE_S))
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)

    def _build_wait(self, entry: CacheEntry) -> Callable[[], None]:
        """Build what is called again and again while another process works on the entry."""
        watched, since = -1, 0.0

        def wait() -> None:
            nonlocal watched, since
            if watched < 0:
                self.notify(f"waiting for another process, which fetches or checks {entry.files}")
            if (size := entry.measure_bytes()) != watched:
                watched, since = size, self.clock()
            elif self.clock() - since > STALL_S:
                raise StoreUnavailable(f"another process holds {entry.files} for {STALL_S:g} s without a new byte")
            self.sleep(PAUSE_S)

        return wait


def _check_revision(manifest: RevisionManifest, files: Path) -> None:
    """Raise BadSettings if the manifest names files of another revision than its own."""
    digests = {path: file.sha256 for path, file in manifest.files.items() if "/" not in path}
    revision = compute_revision(read_card(files / CARD_NAME), digests)
    if revision != manifest.revision:
        raise BadSettings(
            f"the manifest of {manifest.name} {manifest.revision} lists the files of {revision}: push it again"
        )
