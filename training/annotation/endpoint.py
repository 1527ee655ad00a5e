"""Ask questions of OpenAI-compatible vision endpoints; no other file imports openai, and none sees its exceptions.

If an answer cannot be parsed the question is sent again at a higher temperature. The client itself retries timeouts,
rate limits and server errors with growing pauses. Invariant: the journal holds only answers that could be parsed.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from PIL import Image
from pydantic import BaseModel, SecretStr, ValidationError

from pipeline import images
from pipeline.errors import AnswerUnreadable, BadSettings, GenerationFailed, InferenceTimeout, ZoomInError
from training.common.journal import Journal, build_key
from training.errors import EndpointDead, EndpointUnavailable, RateLimited

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionContentPartParam

Answer = TypeVar("Answer")
READINGS = 3
WARMER = 0.7
LONGEST_PAUSE_S = 60.0  # the client ignores a longer Retry-After
GIVE_UP_AFTER = 10
NO_KEY = "none"  # the client requires one


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address and model of an endpoint; `role` is part of its settings' names. Prices are USD for a million tokens."""

    role: str
    url: str
    key: SecretStr
    model: str
    usd_per_million: tuple[float, float]
    timeout_s: float
    attempts: int


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A picture and a question about it."""

    text: str
    picture: Image.Image
    max_tokens: int


@dataclass(slots=True)
class Spent:
    """The usage of an endpoint in this run; `remembered` answers came from the journal and cost nothing."""

    requests: int = 0
    remembered: int = 0
    unreadable: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    usd: float = 0.0


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    """The fields that we read of an answer."""

    choices: list[_Choice]
    usage: _Usage | None = None


class VisionChat:
    """Client of one endpoint, which gives up after too many failures in a row."""

    def __init__(self, endpoint: Endpoint, journal: Journal) -> None:
        self._endpoint = endpoint
        self._journal = journal
        self._client = _open_client(endpoint)
        self._failing = 0
        self.spent = Spent()

    @property
    def model(self) -> str:
        return self._endpoint.model

    async def ask(self, question: Question, parse: Callable[[str], Answer], *, image: str = "") -> Answer:
        """Return the answer as `parse` parses it; `parse` raises AnswerUnreadable if it cannot.

        The journal keeps the answer under the name of `image`, the digest of the image that it is about.

        Raises: AnswerUnreadable, InferenceTimeout, RateLimited, EndpointUnavailable, GenerationFailed for this
        question; BadSettings and EndpointDead for all of them.
        """
        key = build_key(
            self._endpoint.model, question.text, str(question.max_tokens), images.digest_pixels(question.picture)
        )
        known = self._journal.get(key)
        if known is not None:
            self.spent.remembered += 1
            return parse(known)
        for attempt in range(READINGS):
            try:
                text = await self._request_text(question, warm=attempt > 0)
                answer = parse(text)
            except AnswerUnreadable:
                self.spent.unreadable += 1
                if attempt == READINGS - 1:
                    raise
            else:
                self._journal.put(key, text, image=image)
                return answer
        raise AssertionError("the last attempt returns or raises")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.close()

    async def _request_text(self, question: Question, *, warm: bool) -> str:
        try:
            body = await self._request_body(question, warm=warm)
        except (InferenceTimeout, RateLimited, EndpointUnavailable) as error:
            self._failing += 1
            if self._failing >= GIVE_UP_AFTER:
                raise EndpointDead(
                    f"{error.detail}, {GIVE_UP_AFTER} times in a row; what was answered is kept: run the same command "
                    "again when the endpoint serves"
                ) from error
            raise
        self._failing = 0
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            raise AnswerUnreadable("the endpoint's answer is none of this protocol") from error
        self._count(completion.usage or _Usage())
        if not completion.choices or not completion.choices[0].message.content:
            raise AnswerUnreadable("the endpoint's answer is empty")
        if completion.choices[0].finish_reason == "length":
            raise AnswerUnreadable(f"the answer is longer than {question.max_tokens} tokens")
        return completion.choices[0].message.content

    async def _request_body(self, question: Question, *, warm: bool) -> bytes:
        """Return the body of the endpoint's answer.

        Raises: InferenceTimeout, RateLimited, EndpointUnavailable, GenerationFailed, BadSettings.
        """
        import openai

        endpoint = self._endpoint
        self.spent.requests += 1
        try:
            # The client's own timeout restarts with each byte.
            async with asyncio.timeout(endpoint.attempts * (endpoint.timeout_s + LONGEST_PAUSE_S)):
                response = await self._client.chat.completions.with_raw_response.create(
                    model=endpoint.model,
                    messages=[{"role": "user", "content": _build_content(question)}],
                    max_completion_tokens=question.max_tokens,
                    temperature=WARMER if warm else 0.0,
                )
                return response.content
        except (openai.APITimeoutError, TimeoutError) as error:
            raise InferenceTimeout(f"{endpoint.url} gave no answer within {endpoint.timeout_s:g} s") from error
        except openai.RateLimitError as error:
            raise RateLimited(f"{endpoint.url} refuses more requests for now (429)") from error
        except openai.APIConnectionError as error:
            raise EndpointUnavailable(f"{endpoint.url} cannot be reached ({type(error.__cause__).__name__})") from error
        except openai.APIStatusError as error:
            raise _translate_refusal(endpoint, error.status_code) from error

    def _count(self, usage: _Usage) -> None:
        for_prompt, for_answer = self._endpoint.usd_per_million
        self.spent.prompt_tokens += usage.prompt_tokens
        self.spent.answer_tokens += usage.completion_tokens
        self.spent.usd += (usage.prompt_tokens * for_prompt + usage.completion_tokens * for_answer) / 1e6


def _build_content(question: Question) -> "list[ChatCompletionContentPartParam]":
    url = "data:image/png;base64," + base64.b64encode(images.encode_png(question.picture)).decode()
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question.text}]


def _open_client(endpoint: Endpoint) -> "AsyncOpenAI":
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.key.get_secret_value() or NO_KEY,
        timeout=endpoint.timeout_s,
        max_retries=endpoint.attempts - 1,
    )


def _translate_refusal(endpoint: Endpoint, status: int) -> ZoomInError:
    name = f"ZOOMIN_TRAIN_{endpoint.role.upper()}"
    if status in (401, 403):
        return BadSettings(f"{endpoint.url} refuses the key ({status}); check {name}_KEY")
    if status in (404, 405):
        return BadSettings(f"{endpoint.url} knows no such address or model ({status}); check {name}_URL and _MODEL")
    if status >= 500:
        return EndpointUnavailable(f"{endpoint.url} cannot serve now ({status})")
    return GenerationFailed(f"{endpoint.url} refused the request ({status})")
