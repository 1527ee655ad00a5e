"""The report of a shadow run from top to bottom: two topics of verdicts in, numbers and flips out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from training.estimates.verdict_lines import SkippedLines
from training.evaluation.summary import Json
from training.settings import TrainSettings
from training.shadow.comparison import compare_pools
from training.shadow.flips import FlipCandidates, ShownFlip, fetch_flips
from training.shadow.judged_events import Pool, PoolColumns, join_events
from training.shadow.labels import compare_with_labels, read_labels
from training.shadow.verdict_topic import TAIL, read_topic

CLOCK_SKEW = timedelta(minutes=5)
"""largest difference between the clocks of two machines that write records"""
EARLIEST = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class ShadowRequest:
    """Two topics of verdicts; the challenger's from `since` on, and the champion's on the same events.

    `cards`: flips of each direction that are shown with their evidence cards. `labels`: a labeling bucket.
    """

    champion_topic: str
    challenger_topic: str
    since: datetime | None
    labels: str | None
    cards: int


def build_report(
    request: ShadowRequest, settings: TrainSettings, *, cards: Path, program: Sequence[str] = TAIL
) -> tuple[Json, list[ShownFlip]]:
    """Compare both pools; evidence cards are drawn into the directory `cards`.

    Raises: FatalError if a topic cannot be read or holds nothing; BadSettings if no event was judged by both; the
        errors of the labeling bucket.
    """
    skipped = SkippedLines()
    since = request.since or EARLIEST
    challenger = _read_pool(request.challenger_topic, since, skipped, program)
    came_in_at = datetime.fromtimestamp(int(challenger.judged.written_us.min()) / 1e6, UTC) - CLOCK_SKEW
    candidates = FlipCandidates(request.cards)
    columns, others = PoolColumns(request.champion_topic), 0
    for event in read_topic(request.champion_topic, skipped, "--since", came_in_at.isoformat(), program=program):
        row = challenger.judged.find_row(event.event_id)
        if row is None:
            others += 1
            continue
        columns.add(event)
        candidates.offer(event, challenger.judged, row)
    champion = columns.build()
    joined = join_events(champion.judged, challenger.judged)
    numbers = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "since": request.since.isoformat() if request.since else None,
        "pools": {"champion": _describe_pool(champion), "challenger": _describe_pool(challenger)},
        "only_champion": others,
        "only_challenger": len(challenger.judged) - len(joined[0]),
        **compare_pools(*joined),
        "labels": compare_with_labels(read_labels(request.labels, settings), *joined) if request.labels else None,
        "skipped": dict(skipped.counts),
    }
    times = (came_in_at.isoformat(), since.isoformat())
    shown = fetch_flips(candidates.pick(*joined), (champion, challenger), cards, since=times, program=program)
    return {**numbers, "shown": [flip.describe() for flip in shown]}, shown


def _read_pool(topic: str, since: datetime, skipped: SkippedLines, program: Sequence[str]) -> Pool:
    columns = PoolColumns(topic)
    for event in read_topic(topic, skipped, "--since", since.isoformat(), program=program):
        columns.add(event)
    return columns.build()


def _describe_pool(pool: Pool) -> Json:
    return {"topic": pool.topic, "model": pool.model, "revision": pool.revision, "verdicts": dict(pool.verdicts)}
