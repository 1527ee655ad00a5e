"""Push a checkpoint as a revision: its files first, the manifest last, so that a killed push leaves no revision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.checkpoint import CARD_NAME, compute_revision, read_card
from pipeline.errors import BadSettings
from pipeline.registry.manifest import RevisionManifest, SmokeQuestion
from pipeline.registry.notices import Notify, ignore
from pipeline.registry.pushed_files import LocalFile, describe_checkpoint, describe_file
from pipeline.registry.registry import ModelRegistry
from pipeline.storage.uploads import UploadedObject, find_uploaded, upload_file
from pipeline.verdict import Verdict

SMOKE = "smoke"
PUSH_FACTS = {"created_at", "created_by"}
"""fields in which two pushes of the same revision may differ"""


@dataclass(frozen=True, slots=True)
class SmokeImage:
    """An image file, and the verdict that the checkpoint gives of it."""

    path: Path
    verdict: Verdict


def push_revision(
    registry: ModelRegistry,
    directory: Path,
    *,
    parent: str | None,
    data_digest: str | None,
    gate: Mapping[str, Any] | None,
    smoke: Sequence[SmokeImage],
    created_by: str,
    now: datetime,
    notify: Notify = ignore,
) -> RevisionManifest:
    """Push a checkpoint; return the manifest of the registry, which is an earlier one if the revision was there.

    Files that are there are not uploaded again: a push that was killed goes on, and pushing a revision whose files
    were damaged in the bucket repairs it. `notify` gets a sentence for each upload.

    Raises: BadSettings if there is no checkpoint, its card cannot be followed, or the registry has the revision with
    other files or another origin; AccessDenied, StoreUnavailable, ImageMissing (no such bucket).
    """
    files = describe_checkpoint(directory, notify=notify)
    questions = _describe_smoke(smoke)
    local = files | {path: file for path, (file, _) in questions.items()}
    digests = {path: file.file.sha256 for path, file in files.items()}
    manifest = RevisionManifest(
        name=registry.name,
        revision=compute_revision(read_card(directory / CARD_NAME), digests),
        files={path: file.file for path, file in local.items()},
        parent=parent,
        data_digest=data_digest,
        gate=None if gate is None else dict(gate),
        smoke=[SmokeQuestion(image=path, verdict=verdict) for path, (_, verdict) in questions.items()],
        created_at=now,
        created_by=created_by,
    )
    present = registry.find_manifest(manifest.revision)
    _require_equal(present or manifest, manifest)
    _upload_missing(registry, manifest.revision, local, notify)
    if present is None and not registry.create_manifest(manifest):
        present = registry.read_manifest(manifest.revision)  # of another push, which ended first
        _require_equal(present, manifest)
    return present or manifest


def _describe_smoke(images: Sequence[SmokeImage]) -> dict[str, tuple[LocalFile, Verdict]]:
    """Hash the images of smoke questions, by their paths in the revision: the same image has the same one."""
    described = [(describe_file(image.path), image.verdict) for image in images]
    return {
        f"{SMOKE}/{local.file.sha256[:16]}{local.path.suffix.lower()}": (local, verdict) for local, verdict in described
    }


def _require_equal(present: RevisionManifest, manifest: RevisionManifest) -> None:
    """Raise BadSettings if the registry has the revision with something else than is pushed now."""
    fields = RevisionManifest.model_fields.keys() - PUSH_FACTS
    differing = sorted(field for field in fields if getattr(present, field) != getattr(manifest, field))
    if not differing:
        return
    paths = present.files.keys() | manifest.files
    files = sorted(path for path in paths if present.files.get(path) != manifest.files.get(path))
    raise BadSettings(
        f"{present.name} {present.revision} was pushed by {present.created_by} with another {', '.join(differing)}"
        f"{_list_in_brackets(files)}, and a revision never changes: promote it as it is, or delete it "
        "with `zoomin-train models prune` and push again"
    )


def _list_in_brackets(names: list[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def _upload_missing(registry: ModelRegistry, revision: str, local: Mapping[str, LocalFile], notify: Notify) -> None:
    for path, source in local.items():
        key, file = registry.build_file_key(revision, path), source.file
        if find_uploaded(registry.client, registry.bucket, key) != UploadedObject(file.bytes, file.sha256):
            notify(f"uploading {path}, {file.bytes:,} bytes")
            upload_file(registry.client, registry.bucket, key, source.path, sha256=file.sha256)
        if not source.is_unchanged():
            raise BadSettings(f"{source.path} changed while it was pushed: push again when nobody writes it")
