from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.errors import BadSettings, ChampionChanged, StoreUnavailable
from pipeline.registry.champion import Champion
from pipeline.registry.promotion import ANY, Expected, promote, read_history, rollback
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_files, build_registry, put_revision

POINTER = "models/zoomin-7b/champion.json"


class RacingS3(MemoryS3):
    """Lets others change the bucket directly before the pointer is written, or lose the answer to that."""

    before: Callable[[], object] | None = None
    lose_answer = False

    def put_object(self, **request: object) -> dict[str, object]:  # type: ignore[override]  # it hands on
        if request["Key"] == POINTER and self.before:
            before, self.before = self.before, None
            before()
        answer = super().put_object(**request)  # type: ignore[arg-type]  # it hands on
        if request["Key"] == POINTER and self.lose_answer:
            raise ConnectionResetError
        return answer


@pytest.fixture
def s3() -> RacingS3:
    return RacingS3()


@pytest.fixture
def registry(s3: RacingS3) -> ModelRegistry:
    return build_registry(s3)


@pytest.fixture
def revisions(s3: RacingS3) -> list[str]:
    return [put_revision(s3, build_files(bytes([number]))).revision for number in range(4)]


def run_promotion(registry: ModelRegistry, revision: str, *, by: str = "anna", expected: Expected = ANY) -> Champion:
    return promote(registry, revision, by=by, reason="better", now=NOW, expected=expected)


def run_rollback(registry: ModelRegistry, *, expected: Expected = ANY) -> Champion:
    return rollback(registry, by="ben", reason="worse", now=NOW + timedelta(hours=1), expected=expected)


def list_history(registry: ModelRegistry) -> list[str]:
    return [champion.revision for champion in read_history(registry)]


def test_each_change_is_in_the_history_with_its_origin(registry: ModelRegistry, revisions: list[str]) -> None:
    first, second = run_promotion(registry, revisions[0]), run_promotion(registry, revisions[1])
    assert (first.number, first.previous, first.by, first.reason) == (1, None, "anna", "better")
    assert (second.number, second.previous) == (2, revisions[0])
    third = run_rollback(registry)
    assert (third.revision, third.previous, third.rolled_back) == (revisions[0], None, revisions[1])
    assert read_history(registry) == [third, second, first]
    pointer = registry.read_pointer()
    assert pointer is not None
    assert pointer.champion == third


def test_a_second_rollback_goes_further_back_and_never_forth(registry: ModelRegistry, revisions: list[str]) -> None:
    for revision in revisions[:3]:
        run_promotion(registry, revision)
    assert run_rollback(registry).revision == revisions[1]
    assert run_rollback(registry).revision == revisions[0]
    with pytest.raises(BadSettings, match="there is no champion before"):
        run_rollback(registry)
    run_promotion(registry, revisions[3])
    assert run_rollback(registry).revision == revisions[0]
    with pytest.raises(BadSettings, match="there is no champion before"):
        run_rollback(registry)


def test_a_revision_that_came_back_has_the_past_of_its_last_time(registry: ModelRegistry, revisions: list[str]) -> None:
    for number in (0, 1, 0, 2):
        run_promotion(registry, revisions[number])
    assert [run_rollback(registry).revision for _ in range(3)] == [revisions[0], revisions[1], revisions[0]]


def test_promoting_the_champion_changes_nothing(registry: ModelRegistry, revisions: list[str]) -> None:
    first = run_promotion(registry, revisions[0])
    assert run_promotion(registry, revisions[0], by="cleo", expected=revisions[1]) == first
    assert len(read_history(registry)) == 1


def test_of_two_promoters_one_wins_and_the_other_is_told_who(
    s3: RacingS3, registry: ModelRegistry, revisions: list[str]
) -> None:
    for loser, winner in ((0, 1), (2, 3)):  # the first champion, and a later one
        s3.before = lambda winner=winner: run_promotion(registry, revisions[winner], by="cleo")
        with pytest.raises(ChampionChanged, match=f"{revisions[winner]} was promoted by cleo at 2026-01-01 00:00:00"):
            run_promotion(registry, revisions[loser])
    assert list_history(registry) == [revisions[3], revisions[1]]


def test_a_rollback_takes_back_what_it_was_meant_for(
    s3: RacingS3, registry: ModelRegistry, revisions: list[str]
) -> None:
    for revision in revisions[:2]:
        run_promotion(registry, revision)
    s3.before = lambda: run_promotion(registry, revisions[2], by="night")
    with pytest.raises(ChampionChanged, match=f"{revisions[2]} was promoted by night"):
        run_rollback(registry)
    with pytest.raises(ChampionChanged, match=f"{revisions[1]} was expected to serve, but {revisions[2]} was promoted"):
        run_rollback(registry, expected=revisions[1])
    assert run_rollback(registry, expected=revisions[2]).revision == revisions[1]


def test_a_champion_that_was_not_expected_is_not_replaced(registry: ModelRegistry, revisions: list[str]) -> None:
    with pytest.raises(ChampionChanged, match="but there is no champion"):
        run_promotion(registry, revisions[0], expected=revisions[1])
    run_promotion(registry, revisions[0], expected=None)
    with pytest.raises(ChampionChanged, match="no champion was expected to serve, but"):
        run_promotion(registry, revisions[1], expected=None)


def test_a_process_that_died_after_the_pointer_leaves_its_entry_to_the_next(
    s3: RacingS3, registry: ModelRegistry, revisions: list[str]
) -> None:
    for revision in revisions[:2]:
        run_promotion(registry, revision)
        s3.objects.pop(max(key for key in s3.objects if "/history/" in key))
    assert list_history(registry) == [revisions[1], revisions[0]]
    assert run_rollback(registry).revision == revisions[0]
    assert list_history(registry) == [revisions[0], revisions[1], revisions[0]]


def test_a_lost_answer_is_settled_by_looking(s3: RacingS3, registry: ModelRegistry, revisions: list[str]) -> None:
    s3.lose_answer = True
    assert run_promotion(registry, revisions[0]).revision == revisions[0]
    s3.refuse_writes = (POINTER,)
    with pytest.raises(StoreUnavailable):
        run_promotion(registry, revisions[1])
    assert list_history(registry) == [revisions[0]]


@pytest.mark.parametrize("spoiled", ["manifest.json", "model.safetensors"])
@pytest.mark.parametrize("change", ["promote", "rollback"])
def test_an_incomplete_revision_never_serves(
    spoiled: str, change: str, s3: RacingS3, registry: ModelRegistry, revisions: list[str]
) -> None:
    for revision in revisions[:2]:
        run_promotion(registry, revision)
    target = revisions[0] if change == "rollback" else revisions[2]
    s3.objects.pop(registry.build_file_key(target, spoiled))
    with pytest.raises(BadSettings, match=f"{spoiled}.* missing"):
        run_rollback(registry) if change == "rollback" else run_promotion(registry, target)
    assert list_history(registry) == [revisions[1], revisions[0]]


def test_nothing_can_be_rolled_back_before_a_promotion(registry: ModelRegistry) -> None:
    with pytest.raises(BadSettings, match="has no champion: nothing can be rolled back"):
        run_rollback(registry)
    assert read_history(registry) == []
