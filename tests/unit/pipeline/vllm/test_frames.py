import asyncio

import pytest
from PIL import Image

from pipeline import prompts
from pipeline.engine import Answer, Query
from pipeline.errors import GenerationFailed
from pipeline.images import build_model_image
from pipeline.vllm.frames import Call, Cancel, Message, Ready, Result, read_frame
from tests.support.builders import build_noise
from tests.support.frames import encode_frames


async def pass_on(*messages: Message) -> list[Message]:
    reader = asyncio.StreamReader()
    reader.feed_data(encode_frames(*messages))
    return [await read_frame(reader) for _ in messages]


async def test_messages_arrive_as_they_were_sent() -> None:
    messages = [Ready(), Cancel(3), Result(4, Answer("<verdict>real", 0.25, truncated=True)), Result(5, None)]
    assert await pass_on(*messages) == messages


async def test_an_error_arrives_with_its_class_and_detail() -> None:
    (result,) = await pass_on(Result(1, GenerationFailed("refused")))
    assert isinstance(result, Result)
    assert isinstance(result.outcome, GenerationFailed)
    assert (result.outcome.detail, result.outcome.attempts) == ("refused", 1)


async def test_pixels_and_digest_of_a_query_arrive_unchanged() -> None:
    view = build_model_image(build_noise(140, 112))
    (call,) = await pass_on(Call(1, "ask", (prompts.build_global_scan(view, "pixels"), 0.5)))
    assert isinstance(call, Call)
    query, temperature = call.arguments
    assert isinstance(query, Query)
    assert build_model_image(query.images[0].pixels) == query.images[0] == view
    assert temperature == 0.5


async def test_a_message_that_breaks_off_is_the_end() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(encode_frames(Cancel(3))[:-1])
    reader.feed_eof()
    with pytest.raises(EOFError):
        await read_frame(reader)


def test_an_image_of_a_view_costs_its_pixels_and_little_more() -> None:
    view = build_model_image(Image.new("RGB", (504, 504)))
    frame = encode_frames(Call(1, "ask", (prompts.build_global_scan(view, "pixels"), 0.0)))
    assert len(frame) < 504 * 504 * 3 + 4096
