"""Revisions of a few bytes, in a registry in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint, compute_revision, parse_card
from pipeline.registry.manifest import MANIFEST_NAME, RevisionFile, RevisionManifest, SmokeQuestion
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "zoomin-7b"


def build_registry(s3: MemoryS3, name: str = NAME) -> ModelRegistry:
    return ModelRegistry(s3.client, "models", name)


def build_files(weights: bytes = b"weights", card: str | None = None) -> dict[str, bytes]:
    """Build the files of a checkpoint as small as can be, which no engine could load."""
    files = {"config.json": b"{}", "model.safetensors": weights, "README.md": b"# A model"}
    return files if card is None else {**files, CARD_NAME: card.encode()}


def write_checkpoint(directory: Path, weights: bytes = b"weights", card: str | None = None) -> Checkpoint:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in build_files(weights, card).items():
        (directory / name).write_bytes(content)
    return Checkpoint.read(directory)


def put_revision(
    s3: MemoryS3,
    files: Mapping[str, bytes] | None = None,
    *,
    name: str = NAME,
    parent: str | None = None,
    smoke: Sequence[SmokeQuestion] = (),
    age: timedelta = timedelta(0),
) -> RevisionManifest:
    """Put files and manifest of a revision into the bucket, as `models push` leaves them."""
    files = files or build_files()
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    card = parse_card(files.get(CARD_NAME, b"{}"), CARD_NAME)
    manifest = RevisionManifest(
        name=name,
        revision=compute_revision(card, {path: digests[path] for path in files if "/" not in path}),
        files={path: RevisionFile(sha256=digests[path], bytes=len(content)) for path, content in files.items()},
        parent=parent,
        data_digest=None,
        gate=None,
        smoke=list(smoke),
        created_at=NOW - age,
        created_by="night@example",
    )
    registry = build_registry(s3, name)
    for path, content in files.items():
        s3.objects[registry.build_file_key(manifest.revision, path)] = content
    put_manifest(s3, manifest)
    return manifest


def put_manifest(s3: MemoryS3, manifest: RevisionManifest) -> None:
    key = build_registry(s3, manifest.name).build_file_key(manifest.revision, MANIFEST_NAME)
    s3.objects[key] = manifest.model_dump_json().encode()
