"""An engine whose answers are kept on disk as they come: a killed run goes on, and a second run asks nothing again.

An answer is found again for the same query (texts, pixels and temperature) to the same model by the same engine. So
each pass that shows Query 2 other crops has answers of its own, and passes that ask alike share them. Failures are not
kept: a query that the engine dropped is asked again by the next run.
"""

from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from training.common.journal import Journal, build_key
from training.engine.caching import digest_query

_ANSWER = TypeAdapter(Answer)


class VersionedEngine(VisionEngine, Protocol):
    """An engine that names its version for reports."""

    @property
    def version(self) -> str: ...


class StoringEngine:
    """An engine that answers from `journal` what it holds, and adds to it what the engine behind answers.

    `model` names the weights and the kind of device: the same weights answer otherwise in another dtype.
    """

    def __init__(self, engine: VersionedEngine, model: str, journal: Journal) -> None:
        self._engine = engine
        self._journal = journal
        self._scope = (model, engine.version)
        self._found = self._asked = 0

    @property
    def card(self) -> CheckpointCard:
        return self._engine.card

    @property
    def version(self) -> str:
        return self._engine.version

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        key = build_key(*self._scope, digest_query(query, temperature))
        stored = self._journal.get(key)
        if stored is not None:
            self._found += 1
            return _ANSWER.validate_json(stored)
        answer = await self._engine.ask(query, temperature=temperature)
        self._asked += 1
        self._journal.put(key, _ANSWER.dump_json(answer).decode())
        return answer

    @property
    def unstored(self) -> VersionedEngine:
        """The engine behind, which takes its time for each answer."""
        return self._engine

    def describe_use(self) -> str:
        """Describe how many answers came from the file and how many from the model."""
        return f"{self._asked} answers of the model, {self._found} from earlier runs"


def locate_answers(directory: Path, checkpoint: Checkpoint) -> Path:
    """Return the file of a checkpoint's answers in `directory`."""
    return directory / f"{checkpoint.name}-{checkpoint.revision.removeprefix('sha256:')[:12]}.jsonl"
