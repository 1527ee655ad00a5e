import asyncio
from dataclasses import dataclass, field

from pipeline.engine import Answer
from pipeline.errors import GenerationFailed, InternalFault
from pipeline.vllm.calls import answer_calls
from pipeline.vllm.frames import Call, Cancel, Message, Ready, Result, read_frame
from tests.support.frames import encode_frames


@dataclass
class Client:
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, text: str) -> Answer:
        return Answer(text, 0.5)

    async def wait(self) -> None:
        self.begun.set()
        await asyncio.Event().wait()

    async def refuse(self) -> None:
        raise GenerationFailed("refused")

    async def break_off(self) -> None:
        raise KeyError("no such thing")


@dataclass
class Writer:
    """Collects what is written, as a StreamWriter would send it."""

    reader: asyncio.StreamReader = field(default_factory=asyncio.StreamReader)

    def write(self, content: bytes) -> None:
        self.reader.feed_data(content)


async def exchange(*messages: Message) -> list[Message]:
    """Return what the front writes if these messages arrive and then the worker ends."""
    reader, writer = asyncio.StreamReader(), Writer()
    reader.feed_data(encode_frames(*messages))
    answering = asyncio.create_task(answer_calls(Client(), reader, writer))  # type: ignore[arg-type]
    for _ in range(20):  # turns of the loop: nothing here waits for anything outside
        await asyncio.sleep(0)
    reader.feed_eof()
    await answering
    writer.reader.feed_eof()
    written = []
    while not writer.reader.at_eof():
        written.append(await read_frame(writer.reader))
    return written


async def test_the_front_says_that_it_is_ready_and_answers_by_number() -> None:
    ready, answer = await exchange(Call(7, "answer", ("yes",)))
    assert ready == Ready()
    assert answer == Result(7, Answer("yes", 0.5))


async def test_a_call_that_waits_does_not_hold_up_the_next() -> None:
    assert (await exchange(Call(1, "wait", ()), Call(2, "answer", ("yes",))))[1:] == [Result(2, Answer("yes", 0.5))]


async def test_errors_come_back_and_a_bug_as_an_internal_fault() -> None:
    refused, broken = (await exchange(Call(1, "refuse", ()), Call(2, "break_off", ())))[1:]
    assert isinstance(refused, Result)
    assert isinstance(refused.outcome, GenerationFailed)
    assert isinstance(broken, Result)
    assert isinstance(broken.outcome, InternalFault)
    assert "KeyError" in broken.outcome.detail


async def test_a_call_that_is_cancelled_at_once_or_after_its_end_leaves_nothing_behind() -> None:
    messages = (Call(1, "wait", ()), Cancel(1), Cancel(9), Call(2, "answer", ("yes",)), Cancel(1))
    assert (await exchange(*messages))[1:] == [Result(2, Answer("yes", 0.5))]
