"""The port to a vision-language model: what is asked and what comes back."""

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from pipeline.checkpoint import CheckpointCard


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One question: fixed instructions, then images and captions in order, then the start of the answer.

    `answer_start` is put into the model's mouth; `grammar` is a regular expression for what follows it.
    """

    instructions: str
    content: tuple[str | Image.Image, ...]
    answer_start: str
    grammar: str
    max_tokens: int

    @property
    def images(self) -> tuple[Image.Image, ...]:
        return tuple(part for part in self.content if not isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole text, `answer_start` included; `p_generated` is raw; `truncated` if max_tokens cut it.

    `cached_tokens` of `prompt_tokens` were served from the prefix cache.
    """

    text: str
    p_generated: float
    truncated: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0


class VisionEngine(Protocol):
    """Raises: GenerationFailed, InferenceTimeout, EnginePoison for this query; EngineDead for all of them."""

    @property
    def card(self) -> CheckpointCard: ...

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer: ...
