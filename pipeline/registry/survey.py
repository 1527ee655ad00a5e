"""The state of all revisions of a model: complete, or unfinished, and whether one of them serves."""

from dataclasses import dataclass

from pipeline.errors import BadSettings
from pipeline.registry.champion import Champion
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.registry import ModelRegistry


@dataclass(frozen=True, slots=True)
class RevisionState:
    """`manifest` is None for a revision that readers cannot use, and `problem` says why."""

    revision: str
    manifest: RevisionManifest | None
    problem: str = ""


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
    states = [_read_state(registry, revision) for revision in registry.list_revisions()]
    states.sort(key=lambda state: (-state.manifest.created_at.timestamp() if state.manifest else 0.0, state.revision))
    return RegistryState(pointer.champion if pointer else None, states)


def _read_state(registry: ModelRegistry, revision: str) -> RevisionState:
    try:
        return RevisionState(revision, registry.read_manifest(revision))
    except BadSettings as error:
        return RevisionState(revision, None, error.detail)
