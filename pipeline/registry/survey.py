"""The state of all revisions of a model: complete, or unfinished, and whether one of them serves."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import BadSettings
from pipeline.registry.champion import Champion
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.registry import ModelRegistry


@dataclass(frozen=True, slots=True)
class RevisionState:
    """`manifest` is None for what readers cannot use: `problem` says why, `changed_at` when its last file came."""

    revision: str
    manifest: RevisionManifest | None
    problem: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The champion, and the revisions with the newest first; unfinished ones come last."""

    champion: Champion | None
    revisions: list[RevisionState]

    def name_role(self, revision: str) -> str:
        """Return what the pointer says of a revision: champion, previous, or nothing."""
        if self.champion is None:
            return ""
        return {self.champion.previous: "previous", self.champion.revision: "champion"}.get(revision, "")


def survey_registry(registry: ModelRegistry) -> RegistryState:
    """Read the pointer and all manifests. Raises: BadSettings for a broken pointer; AccessDenied, StoreUnavailable."""
    pointer = registry.read_pointer()
    states = [state for revision in registry.list_revisions() if (state := _read_state(registry, revision))]
    states.sort(key=lambda state: (-state.manifest.created_at.timestamp() if state.manifest else 0.0, state.revision))
    return RegistryState(pointer.champion if pointer else None, states)


def _read_state(registry: ModelRegistry, revision: str) -> RevisionState | None:
    """Return None for a folder that is empty: SeaweedFS lists those of deleted revisions for a while."""
    try:
        return RevisionState(revision, registry.read_manifest(revision))
    except BadSettings as error:
        objects = registry.list_files(revision).values()
        changes = [found.modified_at for found in objects if found.modified_at]
        return RevisionState(revision, None, error.detail, max(changes, default=None)) if objects else None
