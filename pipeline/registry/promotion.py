"""Promotions and rollbacks: changes of the champion pointer, each with an entry in the history.

Invariant: no champion is replaced before it is in the history. A process that is killed after it changed the pointer
leaves its entry to the next change, so the history and the pointer together are always complete.
"""

from datetime import datetime
from enum import Enum

from pipeline.errors import BadSettings, ChampionChanged, StoreUnavailable
from pipeline.registry.champion import Champion
from pipeline.registry.registry import ModelRegistry, Pointer


class AnyChampion(Enum):
    ANY = "any"
    """whoever is champion may be replaced"""


ANY = AnyChampion.ANY
Expected = str | None | AnyChampion


def promote(
    registry: ModelRegistry, revision: str, *, by: str, reason: str, now: datetime, expected: Expected = ANY
) -> Champion:
    """Make a revision the champion, and return the pointer; nothing changes if it is the champion already.

    `expected` is the champion that it is to replace, None if there must be none yet.

    Raises: BadSettings if the revision does not exist or is incomplete; ChampionChanged if there is another champion
    than expected, or if another promotion was faster; AccessDenied, StoreUnavailable.
    """
    registry.require_complete(revision)
    pointer = registry.read_pointer()
    if pointer and pointer.champion.revision == revision:
        return pointer.champion
    _require_expected(pointer, expected)
    serving = pointer.champion.revision if pointer else None
    return _change(
        registry,
        pointer,
        Champion(
            number=pointer.champion.number + 1 if pointer else 1,
            revision=revision,
            promoted_at=now,
            by=by,
            reason=reason,
            previous=serving,
        ),
    )


def rollback(registry: ModelRegistry, *, by: str, reason: str, now: datetime, expected: Expected = ANY) -> Champion:
    """Return to the champion before the present one; another rollback goes one further back, never forth again.

    `expected` is the revision to take back.

    Raises: BadSettings if there is no earlier champion, or it was pruned; otherwise as `promote`.
    """
    pointer = registry.read_pointer()
    if pointer is None:
        raise BadSettings(f"{registry.describe('')} has no champion: nothing can be rolled back")
    _require_expected(pointer, expected)
    current = pointer.champion
    if current.previous is None:
        raise BadSettings(
            f"there is no champion before {current.revision}: promote another revision of `zoomin-train models list`"
        )
    registry.require_complete(current.previous)
    return _change(
        registry,
        pointer,
        Champion(
            number=current.number + 1,
            revision=current.previous,
            promoted_at=now,
            by=by,
            reason=reason,
            previous=_find_before(registry, current),
            rolled_back=current.revision,
        ),
    )


def read_history(registry: ModelRegistry) -> list[Champion]:
    """Read all champions, the newest first. Raises: BadSettings for a pointer or an entry that cannot be read."""
    pointer = registry.read_pointer()
    if pointer is None:
        return []
    earlier = (registry.read_entry(number) for number in range(pointer.champion.number - 1, 0, -1))
    return [pointer.champion, *(champion for champion in earlier if champion)]


def _require_expected(pointer: Pointer | None, expected: Expected) -> None:
    serving = pointer.champion.revision if pointer else None
    if expected is not ANY and expected != serving:
        change = _describe(pointer.champion) if pointer else "there is no champion"
        raise ChampionChanged(f"{expected or 'no champion'} was expected to serve, but {change}")


def _change(registry: ModelRegistry, pointer: Pointer | None, champion: Champion) -> Champion:
    """Replace the champion that was read, after it is in the history."""
    if pointer:
        registry.write_history(pointer.champion)
    if not _write(registry, pointer, champion):
        winner = registry.read_pointer()
        change = _describe(winner.champion) if winner else "the pointer was deleted"
        raise ChampionChanged(f"another change of the champion was faster: {change}; nothing was changed by this one")
    registry.write_history(champion)
    return champion


def _write(registry: ModelRegistry, pointer: Pointer | None, champion: Champion) -> bool:
    """Return whether the pointer has this champion now; a lost answer of S3 is settled by reading the pointer."""
    failure: StoreUnavailable | None = None
    try:
        if registry.write_pointer(champion, etag=pointer.etag if pointer else None):
            return True
    except StoreUnavailable as error:
        failure = error
    found = registry.read_pointer()
    if found and found.champion.model_dump_json() == champion.model_dump_json():
        return True
    if failure:
        raise failure
    return False


def _find_before(registry: ModelRegistry, current: Champion) -> str | None:
    """Return the champion before the one that `current` replaced, as the history of that one says."""
    for number in range(current.number - 1, 0, -1):
        champion = registry.read_entry(number)
        if champion and champion.revision == current.previous:
            return champion.previous
    return None


def _describe(champion: Champion) -> str:
    verb = "was rolled back to" if champion.rolled_back else "was promoted"
    when = f"{champion.promoted_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{champion.revision} {verb} by {champion.by} at {when} ({champion.reason})"
