import numpy as np
import pytest

from pipeline.errors import BadSettings
from tests.support.shadow_pools import CHALLENGER, CHAMPION, NOON, build_judged, build_pool
from training.shadow.judged_events import MOST_REVISIONS, PoolColumns, join_events


def test_of_each_event_the_latest_verdict_counts() -> None:
    pool = build_pool(
        build_judged("a", 0.9, minute=5), build_judged("b", 0.2, seconds=1.5), build_judged("a", 0.1, minute=1)
    )
    row = pool.judged.find_row("a")
    assert row is not None
    assert (len(pool.judged), pool.judged.p_generated[row], bool(pool.judged.generated[row])) == (2, 0.9, True)
    assert pool.judged.written_us[row] == (NOON.timestamp() + 300) * 1_000_000
    assert pool.judged.seconds[pool.judged.find_row("b")] == pytest.approx(1.5)
    assert pool.judged.find_row("c") is None


def test_the_revision_that_judged_last_counts_and_the_others_are_named() -> None:
    pool = build_pool(
        build_judged("old", 0.9, revision=CHAMPION, minute=1),
        build_judged("new", 0.2, revision=CHALLENGER, minute=9),
        build_judged("old", 0.1, revision=CHALLENGER, minute=2),
        build_judged("lost", 0.1, revision=CHAMPION, minute=3),
    )
    assert (pool.revision, pool.model, dict(pool.verdicts)) == (CHALLENGER, "zoomin-tiny", {CHAMPION: 2, CHALLENGER: 2})
    assert sorted(pool.judged.p_generated) == [0.1, 0.2]


def test_pools_are_joined_by_event_in_the_same_order() -> None:
    names = [f"event-{number}" for number in range(50)]
    champion = build_pool(*(build_judged(name, number / 100) for number, name in enumerate(names)))
    challenger = build_pool(*(build_judged(name, number / 100) for number, name in reversed(list(enumerate(names)))))
    challenger_only = build_pool(*(build_judged(name, 0.5) for name in (*names[:10], "else")))
    first, second = join_events(champion.judged, challenger.judged)
    assert len(first) == 50
    assert np.array_equal(first.p_generated, second.p_generated)
    assert len(join_events(champion.judged, challenger_only.judged)[1]) == 10
    assert first.find_row("event-7") is not None


def test_a_pool_without_verdicts_and_one_of_too_many_revisions_are_refused() -> None:
    with pytest.raises(BadSettings, match="shadow holds no verdict"):
        PoolColumns("shadow").build()
    columns = PoolColumns("shadow")
    for number in range(MOST_REVISIONS):
        columns.add(build_judged("a", 0.5, revision=str(number)))
    with pytest.raises(BadSettings, match="look at less by --since"):
        columns.add(build_judged("a", 0.5, revision="one more"))
