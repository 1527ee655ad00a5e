"""A worker process whose engine says what the corpus says: the color of an image names its answer."""

import asyncio

from pipeline import prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query
from tests.hostile.corpus import answers
from tests.hostile.entries import HostileAnswer
from worker import app, settings, telemetry

SIDE_PX = 56
FINE_SCAN = "<verdict>generated</verdict><boxes></boxes><explanation>fine</explanation>"
FINE_CHECK = "<verdict>generated</verdict><explanation>fine</explanation>"


def color(number: int) -> tuple[int, int, int]:
    return number % 256, number // 256, 77


class CorpusEngine:
    version = "stand-in of the hostile corpus"

    def __init__(self, card: CheckpointCard) -> None:
        self.card = card
        self._answers: list[HostileAnswer] = answers()

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        low, high, _ = query.images[0].getpixel((0, 0))  # type: ignore[misc]
        entry = self._answers[int(low) + 256 * int(high)]
        asked = "scan" if query.grammar == prompts.SCAN_GRAMMAR else "check"
        if asked == entry.query:
            return Answer(entry.text, 0.5, entry.truncated)
        return Answer(FINE_SCAN if asked == "scan" else FINE_CHECK, 0.9)

    async def close(self) -> None:
        pass


def main() -> None:
    chosen = settings.load()
    telemetry.configure_logging(chosen.telemetry)
    card = Checkpoint.read(chosen.engine.model).card

    async def start() -> CorpusEngine:
        return CorpusEngine(card)

    asyncio.run(app.run(chosen, engine=start))


if __name__ == "__main__":
    main()
