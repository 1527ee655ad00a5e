from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.errors import AccessDenied, BadSettings
from pipeline.registry.manifest import MANIFEST_NAME
from pipeline.registry.promotion import promote
from pipeline.registry.pruning import UNFINISHED_FOR, PrunePlan, PrunePolicy, prune_revisions
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_files, build_registry, put_revision


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def registry(s3: MemoryS3) -> ModelRegistry:
    return build_registry(s3)


@pytest.fixture
def revisions(s3: MemoryS3, registry: ModelRegistry) -> list[str]:
    """Revisions of 0 to 7 days ago; that of 5 days ago serves, that of 6 days ago did before."""
    pushed: list[str] = []
    for days in range(8):
        parent = pushed[1] if days == 5 else None
        pushed.append(put_revision(s3, build_files(bytes([days])), age=timedelta(days=days), parent=parent).revision)
    for days in (6, 5):
        promote(registry, pushed[days], by="anna", reason="", now=NOW)
    return pushed


def prune(registry: ModelRegistry, policy: PrunePolicy, *, dry_run: bool = False) -> PrunePlan:
    return prune_revisions(registry, policy, now=NOW + timedelta(hours=1), dry_run=dry_run)


def list_left(registry: ModelRegistry, revisions: list[str]) -> list[int]:
    return [days for days, revision in enumerate(revisions) if registry.list_files(revision)]


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (lambda revisions: PrunePolicy(0), [1, 5, 6]),  # champion, its parent, previous
        (lambda revisions: PrunePolicy(1), [0, 1, 5, 6]),
        (lambda revisions: PrunePolicy(0, NOW - timedelta(days=2)), [0, 1, 2, 5, 6]),
        (lambda revisions: PrunePolicy(0, named={revisions[7]}), [1, 5, 6, 7]),
        (lambda revisions: PrunePolicy(100), [*range(8)]),
    ],
)
def test_what_the_policy_keeps_stays(
    policy: Callable[[list[str]], PrunePolicy], left: list[int], registry: ModelRegistry, revisions: list[str]
) -> None:
    plan = prune(registry, policy(revisions), dry_run=True)
    assert list_left(registry, revisions) == [*range(8)], "a dry run deletes nothing"
    assert prune(registry, policy(revisions)) == plan
    assert list_left(registry, revisions) == left
    assert sorted(plan.kept) == sorted(revisions[days] for days in left)
    assert plan.kept[revisions[5]] == "champion"
    assert prune(registry, policy(revisions)).deleted == []


def test_a_half_deleted_revision_does_not_exist_and_is_deleted_by_the_next_run(
    s3: MemoryS3, registry: ModelRegistry, revisions: list[str]
) -> None:
    s3.refuse_writes = (registry.build_file_key(revisions[0], "README.md"),)
    with pytest.raises(AccessDenied):
        prune(registry, PrunePolicy(0))
    with pytest.raises(BadSettings, match=f"{MANIFEST_NAME} is missing"):
        registry.read_manifest(revisions[0])
    s3.refuse_writes = ()
    s3.now = NOW - UNFINISHED_FOR
    prune(registry, PrunePolicy(0))
    assert list_left(registry, revisions) == [1, 5, 6]


def test_a_push_that_may_go_on_stays(s3: MemoryS3, registry: ModelRegistry, revisions: list[str]) -> None:
    s3.objects.pop(registry.build_file_key(revisions[7], MANIFEST_NAME))
    assert prune(registry, PrunePolicy(0)).kept[revisions[7]] == "its push may go on"
    s3.now = NOW - UNFINISHED_FOR
    assert revisions[7] in prune(registry, PrunePolicy(0)).deleted


def test_a_revision_that_is_promoted_meanwhile_stays(
    s3: MemoryS3, registry: ModelRegistry, revisions: list[str]
) -> None:
    def promote_next(notice: str) -> None:
        if revisions[0] in notice:
            promote(registry, revisions[3], by="ben", reason="", now=NOW)

    plan = prune_revisions(registry, PrunePolicy(0), now=NOW, dry_run=False, notify=promote_next)
    assert plan.kept[revisions[3]] == "promoted meanwhile"
    assert list_left(registry, revisions) == [1, 3, 5, 6]
