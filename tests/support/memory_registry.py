"""A registry in memory of one small model, with a cache that hands out the folders of its revisions as they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.registry.champion import Champion
from pipeline.registry.manifest import SmokeQuestion
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_files, put_revision, write_checkpoint

NAME = "tiny"


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
        checkpoint = write_checkpoint(self._root / weights / NAME, weights.encode(), card)
        put_revision(self.s3, build_files(weights.encode(), card), name=NAME, smoke=smoke)
        self.folders[checkpoint.revision] = checkpoint.path
        return checkpoint.revision

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
