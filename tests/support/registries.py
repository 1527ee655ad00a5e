"""A model registry in memory, with revisions of a few bytes."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.checkpoint import Checkpoint, CheckpointCard, compute_revision
from pipeline.registry.manifest import MANIFEST_NAME, RevisionFile, RevisionManifest
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "zoomin-7b"


def build_registry(s3: MemoryS3) -> ModelRegistry:
    return ModelRegistry(s3.client, "models", NAME)


def build_files(weights: bytes = b"weights") -> dict[str, bytes]:
    """Build the files of a checkpoint as small as can be."""
    return {"config.json": b"{}", "model.safetensors": weights, "README.md": b"# A model"}


def write_checkpoint(directory: Path, weights: bytes = b"weights") -> Checkpoint:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in build_files(weights).items():
        (directory / name).write_bytes(content)
    return Checkpoint.read(directory)


def put_revision(
    s3: MemoryS3,
    files: Mapping[str, bytes] | None = None,
    *,
    parent: str | None = None,
    age: timedelta = timedelta(0),
) -> RevisionManifest:
    """Put files and manifest of a revision into the bucket, as `models push` leaves them."""
    files = files or build_files()
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    manifest = RevisionManifest(
        name=NAME,
        revision=compute_revision(CheckpointCard(), {path: digests[path] for path in files if "/" not in path}),
        files={path: RevisionFile(sha256=digests[path], bytes=len(content)) for path, content in files.items()},
        parent=parent,
        data_digest=None,
        gate=None,
        smoke=[],
        created_at=NOW - age,
        created_by="night@example",
    )
    registry = build_registry(s3)
    for path, content in files.items():
        s3.objects[registry.build_file_key(manifest.revision, path)] = content
    put_manifest(s3, manifest)
    return manifest


def put_manifest(s3: MemoryS3, manifest: RevisionManifest) -> None:
    key = build_registry(s3).build_file_key(manifest.revision, MANIFEST_NAME)
    s3.objects[key] = manifest.model_dump_json().encode()
