"""Events on which the two pools differ: the clearest ones of each direction, with the evidence cards of both."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from pipeline.evidence.file_name import build_file_name
from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent
from training.estimates.verdict_lines import SkippedLines
from training.evaluation.summary import Json
from training.shadow.judged_events import JudgedEvents, Pool
from training.shadow.verdict_topic import TAIL, read_topic

SPARE = 4
"""times as many candidates as wanted: some turn out to be no flip by the latest verdict of both"""


@dataclass(frozen=True, slots=True)
class Flip:
    """An event with different verdicts; `to` is the challenger's."""

    event_id: str
    to: Verdict
    p_champion: float
    p_challenger: float

    @property
    def change(self) -> float:
        return abs(self.p_challenger - self.p_champion)


@dataclass(frozen=True, slots=True, eq=False)
class ShownFlip:
    """A flip with both verdicts and their evidence cards; a card is None if its image could not be fetched."""

    flip: Flip
    champion: VerdictEvent
    challenger: VerdictEvent
    cards: tuple[Image.Image | None, Image.Image | None]

    def describe(self) -> Json:
        image = self.champion.image
        return {
            "event_id": self.flip.event_id,
            "image": f"s3://{image.bucket}/{image.key}",
            "to": str(self.flip.to),
            "p_champion": round(self.flip.p_champion, 4),
            "p_challenger": round(self.flip.p_challenger, 4),
            "champion": self.champion.last_answer.explanation,
            "challenger": self.challenger.last_answer.explanation,
        }


@dataclass(slots=True)
class FlipCandidates:
    """Keeps the clearest events of each direction among those that pass by, a bounded number."""

    each: int
    heaps: dict[Verdict, list[tuple[float, str]]] = field(default_factory=lambda: {verdict: [] for verdict in Verdict})

    def offer(self, event: VerdictEvent, challenger: JudgedEvents, row: int) -> None:
        """Consider a verdict of the champion on the event of this row."""
        to = Verdict.GENERATED if challenger.generated[row] else Verdict.REAL
        if self.each and to is not event.verdict:
            change = abs(float(challenger.p_generated[row]) - event.p_generated)
            heapq.heappush(self.heaps[to], (change, event.event_id))
            if len(self.heaps[to]) > SPARE * self.each:
                heapq.heappop(self.heaps[to])

    def pick(self, champion: JudgedEvents, challenger: JudgedEvents) -> list[Flip]:
        """Return the clearest flips of each direction, by the latest verdicts of both, which are joined."""
        picked: list[Flip] = []
        for to, heap in self.heaps.items():
            flips = {name: _build_flip(name, champion, challenger) for _, name in heap}
            flips_to = [flip for flip in flips.values() if flip and flip.to is to]
            picked += sorted(flips_to, key=lambda flip: -flip.change)[: self.each]
        return picked


def _build_flip(event_id: str, champion: JudgedEvents, challenger: JudgedEvents) -> Flip | None:
    row = champion.find_row(event_id)
    if row is None or champion.generated[row] == challenger.generated[row]:
        return None
    to = Verdict.GENERATED if challenger.generated[row] else Verdict.REAL
    return Flip(event_id, to, float(champion.p_generated[row]), float(challenger.p_generated[row]))


def fetch_flips(
    flips: Sequence[Flip],
    pools: tuple[Pool, Pool],
    directory: Path,
    *,
    since: tuple[str, str],
    program: Sequence[str] = TAIL,
) -> list[ShownFlip]:
    """Read the verdicts of the flips once more, and have `zoomin tail` draw their cards into `directory`.

    `since`: the time from which on the topic of each pool is read.
    """
    if not flips:
        return []
    found = [
        dict(_read_verdicts(pool, flips, directory / str(number), since[number], program))
        for number, pool in enumerate(pools)
    ]
    return [
        ShownFlip(
            flip,
            found[0][flip.event_id],
            found[1][flip.event_id],
            (_open_card(directory / "0", flip.event_id), _open_card(directory / "1", flip.event_id)),
        )
        for flip in flips
        if all(flip.event_id in verdicts for verdicts in found)
    ]


def _read_verdicts(
    pool: Pool, flips: Sequence[Flip], cards: Path, since: str, program: Sequence[str]
) -> Iterable[tuple[str, VerdictEvent]]:
    options = [f"--event={flip.event_id}" for flip in flips]
    options += ["--revision", pool.revision, "--since", since, "--save-cards", str(cards)]
    for event in read_topic(pool.topic, SkippedLines(), *options, program=program):
        yield event.event_id, event


def _open_card(directory: Path, event_id: str) -> Image.Image | None:
    path = directory / f"{build_file_name(event_id)}.png"
    if not path.exists():
        return None
    with Image.open(path) as card:
        return card.convert("RGB")
