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
    plan = plan_pruning(survey_registry(registry), policy, now)
    if dry_run:
        return plan
    kept, deleted = dict(plan.kept), []
    for revision in plan.deleted:
        pointer = registry.read_pointer()
        if pointer and revision in (pointer.champion.revision, pointer.champion.previous):
            kept[revision] = "promoted meanwhile"
            continue
        notify(f"deleting {revision}")
        delete_revision(registry, revision)
        deleted.append(revision)
    return PrunePlan(kept, deleted)


def plan_pruning(state: RegistryState, policy: PrunePolicy, now: datetime) -> PrunePlan:
    """Decide why each revision stays; an unfinished one does while its push may go on."""
    complete = [row.manifest for row in state.revisions if row.manifest]
    recent = [row.revision for row in complete if policy.after and row.created_at >= policy.after]
    pushed = [row.revision for row in state.revisions if row.changed_at and now - row.changed_at < UNFINISHED_FOR]
    kept = dict.fromkeys(pushed, "its push may go on")
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
