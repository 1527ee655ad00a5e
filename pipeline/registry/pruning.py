"""Delete revisions that nobody needs, the manifest first: a half-deleted revision does not exist for readers."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.registry.manifest import MANIFEST_NAME
from pipeline.registry.notices import Notify, ignore
from pipeline.registry.registry import ModelRegistry
from pipeline.registry.survey import RegistryState, survey_registry
from pipeline.storage.objects import delete_objects

UNFINISHED_FOR = timedelta(days=1)
"""after which an unfinished push counts as given up"""


@dataclass(frozen=True, slots=True)
class PrunePolicy:
    """Revisions that stay, besides champion and previous: the newest, those after a time, those named, and parents."""

    newest: int
    after: datetime | None = None
    named: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """Why each revision stays, and the revisions that go, unfinished pushes among them."""

    kept: dict[str, str]
    deleted: list[str]


def prune_revisions(
    registry: ModelRegistry, policy: PrunePolicy, *, now: datetime, dry_run: bool, notify: Notify = ignore
) -> PrunePlan:
    """Delete what the policy does not keep. A revision that is promoted meanwhile is not deleted.

    Raises: BadSettings for a pointer that cannot be read; AccessDenied, StoreUnavailable.
    """
    state = survey_registry(registry)
    plan = plan_pruning(state, policy, _find_running_pushes(registry, state, now))
    for revision in () if dry_run else plan.deleted:
        pointer = registry.read_pointer()
        if pointer and revision in (pointer.champion.revision, pointer.champion.previous):
            notify(f"{revision} was promoted meanwhile and stays")
            continue
        delete_revision(registry, revision)
        notify(f"deleted {revision}")
    return plan


def plan_pruning(state: RegistryState, policy: PrunePolicy, running: Set[str]) -> PrunePlan:
    """Decide why each revision stays; `running` are pushes that may go on."""
    complete = [row.manifest for row in state.revisions if row.manifest]
    recent = [row.revision for row in complete if policy.after and row.created_at >= policy.after]
    kept = dict.fromkeys(running, "its push may go on")
    kept |= dict.fromkeys(policy.named, "named")
    kept |= dict.fromkeys(recent, "recent")
    kept |= dict.fromkeys((row.revision for row in complete[: policy.newest]), "newest")
    if state.champion:
        kept |= {state.champion.previous or "": "previous", state.champion.revision: "champion"}
    parents = {row.parent: f"parent of {row.revision}" for row in complete if row.revision in kept and row.parent}
    kept = parents | kept
    listed = [row.revision for row in state.revisions]
    return PrunePlan(
        {revision: kept[revision] for revision in listed if revision in kept},
        [revision for revision in listed if revision not in kept],
    )


def delete_revision(registry: ModelRegistry, revision: str) -> None:
    """Delete a revision, its manifest first."""
    keys = [registry.build_file_key(revision, path) for path in registry.list_files(revision) if path != MANIFEST_NAME]
    delete_objects(registry.client, registry.bucket, [registry.build_file_key(revision, MANIFEST_NAME)])
    delete_objects(registry.client, registry.bucket, keys)


def _find_running_pushes(registry: ModelRegistry, state: RegistryState, now: datetime) -> set[str]:
    """Return the unfinished revisions to which something was added lately."""
    running = set()
    for row in state.revisions:
        if row.manifest is None:
            changes = [found.modified_at for found in registry.list_files(row.revision).values() if found.modified_at]
            if changes and now - max(changes) < UNFINISHED_FOR:
                running.add(row.revision)
    return running
