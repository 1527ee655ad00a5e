from datetime import UTC, datetime, timedelta

import pytest

from tests.support.verdicts import build_verdict
from training.estimates import verdict_counts
from training.estimates.verdict_counts import OTHER, CountedVerdicts

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_verdicts_are_counted_by_source_and_day() -> None:
    counted = CountedVerdicts()
    for source, day in (("web", 0), ("web", 0), ("web", 1), ("app", 0)):
        assert counted.add(build_verdict(source=source, decided_at=START + timedelta(days=day)))
    assert counted.sum_cells().verdicts == 4
    assert counted.sum_cells(source="web").bins["source"] == {"web": 3}
    assert counted.sum_cells(day="2026-01-01").verdicts == 3
    assert counted.sum_cells(source="app", day="2026-01-02").verdicts == 0


def test_each_word_counts_once_in_an_explanation() -> None:
    counted = CountedVerdicts()
    counted.add(build_verdict(check_explanation="The fur repeats, and the fur has seams."))
    counted.add(build_verdict(check=None, scan_explanation="The fur is even."))
    assert counted.sum_cells().bins["keywords"]["fur"] == 2


def test_memory_is_bounded_by_sources_days_words_and_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_SOURCES", "MOST_DAYS", "MOST_WORDS", "MOST_BINS"):
        monkeypatch.setattr(verdict_counts, name, 5)
    counted = CountedVerdicts()
    for number in range(20):
        day = START + timedelta(days=number % 7)
        added = counted.add(
            build_verdict(source=f"s{number}", check_explanation=f"word{chr(97 + number)}", decided_at=day)
        )
        assert added == (number % 7 < 5)
    assert len({source for source, _ in counted.cells}) == 6
    assert counted.sum_cells(source=OTHER).verdicts > 0
    assert len(counted.sum_cells().bins["keywords"]) <= 6
    assert len(counted.sum_cells(source=OTHER, day="2026-01-01").bins["source"]) <= 6
