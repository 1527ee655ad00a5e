"""Declares the port to a vision-language model: the query it gets and the answer it returns."""

from dataclasses import dataclass
from typing import Protocol

from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import ModelImage


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One prompt: fixed instructions, then images and captions in order, then the start of the answer.

    The model continues after `answer_start`; `grammar` is a regular expression for the continuation.
    """

    instructions: str
    content: tuple[str | ModelImage, ...]
    answer_start: str
    grammar: str
    max_tokens: int

    @property
    def images(self) -> tuple[ModelImage, ...]:
        return tuple(part for part in self.content if not isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole text, `answer_start` included; `p_generated` is not calibrated; `truncated` if max_tokens cut the text.

    The prefix cache held `cached_tokens` of the `prompt_tokens`.
    """

    text: str
    p_generated: float
    truncated: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0


class VisionEngine(Protocol):
    """A model that answers queries.

    Raises: GenerationFailed, InferenceTimeout, EnginePoison for one query; EngineDead for all queries.
    """

    @property
    def card(self) -> CheckpointCard: ...

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer: ...
