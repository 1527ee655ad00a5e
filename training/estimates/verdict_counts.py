"""Counts of verdicts by source and day; the memory is bounded whatever comes.

Beyond the bounds, further sources, formats and words count as `other`, and verdicts of further days are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC

from pipeline.wire.messages import VerdictEvent
from training.annotation.statistics import count_keywords
from training.estimates.features import FEATURES, KEYWORDS, NO_SOURCE

MOST_SOURCES = 50
MOST_DAYS = 400
MOST_BINS = 64
MOST_WORDS = 500
OTHER = "other"


@dataclass(slots=True)
class VerdictCounts:
    """The verdicts of one source on one day, or the sum of several; `bins` by feature."""

    verdicts: int = 0
    bins: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def merge(self, other: "VerdictCounts") -> None:
        self.verdicts += other.verdicts
        for feature, counts in other.bins.items():
            self.bins[feature].update(counts)


@dataclass(slots=True)
class CountedVerdicts:
    """Counts by source and day; `words` are the words that are counted by themselves."""

    cells: defaultdict[tuple[str, str], VerdictCounts] = field(default_factory=lambda: defaultdict(VerdictCounts))
    words: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    days: set[str] = field(default_factory=set)

    def add(self, event: VerdictEvent) -> bool:
        """Count a verdict; return False if its day is beyond the bound."""
        day = event.decided_at.astimezone(UTC).date().isoformat()
        if not _admit(day, self.days, MOST_DAYS):
            return False
        source = event.source or NO_SOURCE
        source = source if _admit(source, self.sources, MOST_SOURCES) else OTHER
        cell = self.cells[source, day]
        cell.verdicts += 1
        for feature in FEATURES:
            counts, name = cell.bins[feature.name], feature.find_bin(event)
            counts[name if name in counts or len(counts) < MOST_BINS else OTHER] += 1
        counts = cell.bins[KEYWORDS]
        for word in count_keywords([event.last_answer.explanation]):
            counts[word if _admit(word, self.words, MOST_WORDS) else OTHER] += 1
        return True

    def sum_cells(self, *, source: str | None = None, day: str | None = None) -> VerdictCounts:
        """Add up all cells, or those of a source, of a day, or of both."""
        return _sum(
            cell
            for (of_source, of_day), cell in self.cells.items()
            if source in (None, of_source) and day in (None, of_day)
        )


def _sum(cells: Iterable[VerdictCounts]) -> VerdictCounts:
    total = VerdictCounts()
    for cell in cells:
        total.merge(cell)
    return total


def _admit(name: str, known: set[str], most: int) -> bool:
    if name in known:
        return True
    if len(known) >= most:
        return False
    known.add(name)
    return True
