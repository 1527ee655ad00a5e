"""A model registry in memory, with small revisions and a cache that hands out their folders as they are."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.registry.address import format_folder
from pipeline.registry.champion import Champion
from pipeline.registry.manifest import RevisionFile, RevisionManifest, SmokeQuestion
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3

NAME = "tiny"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write_checkpoint(directory: Path, *, weights: bytes = b"weights", card: str = "{}") -> Path:
    """Write what the worker reads of a checkpoint, without a model that could be loaded."""
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}")
    (directory / "zoomin.json").write_text(card)
    (directory / "model.safetensors").write_bytes(weights)
    return directory


class MemoryRegistry:
    """`folders` holds the files of each revision that was pushed; a fetch yields its folder and counts who holds it."""

    def __init__(self, root: Path) -> None:
        self.s3 = MemoryS3()
        self.registry = ModelRegistry(self.s3.client, "weights", NAME)
        self.folders: dict[str, Path] = {}
        self.held: list[str] = []
        self.error: Exception | None = None
        """what each fetch raises"""
        self._root = root

    def push(self, weights: str, *, card: str = "{}", smoke: Sequence[SmokeQuestion] = ()) -> str:
        """Push a revision with these weights; return its name."""
        folder = write_checkpoint(self._root / weights / NAME, weights=weights.encode(), card=card)
        revision = Checkpoint.read(folder).revision
        self.folders[revision] = folder
        files = {path.name: _describe(path.read_bytes()) for path in folder.iterdir()}
        manifest = RevisionManifest(
            name=NAME,
            revision=revision,
            files=files,
            parent=None,
            data_digest=None,
            gate=None,
            smoke=list(smoke),
            created_at=NOW,
            created_by="test",
        )
        self.put(f"revisions/{format_folder(revision)}/manifest.json", manifest.model_dump_json().encode())
        for path in folder.iterdir():
            self.put(f"revisions/{format_folder(revision)}/{path.name}", path.read_bytes())
        return revision

    def promote(self, revision: str) -> None:
        pointer = self.registry.read_pointer()
        previous = pointer.champion.revision if pointer else None
        champion = Champion(
            revision=revision, promoted_at=NOW, by="test", reason=f"{len(self.s3.requests)}", previous=previous
        )
        assert self.registry.write_pointer(champion, etag=pointer.etag if pointer else None)

    def put(self, path: str, body: bytes) -> None:
        self.s3.objects[f"models/{NAME}/{path}"] = body

    @contextmanager
    def fetch(self, registry: ModelRegistry, revision: str) -> Iterator[Path]:
        assert registry is self.registry
        if self.error is not None:
            raise self.error
        self.held.append(revision)
        try:
            yield self.folders[revision]
        finally:
            self.held.remove(revision)


def _describe(data: bytes) -> RevisionFile:
    return RevisionFile(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
