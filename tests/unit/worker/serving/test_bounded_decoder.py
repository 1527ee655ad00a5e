import asyncio

from PIL import Image

from pipeline.verdict import RgbImage
from worker.serving.bounded_decoder import BoundedDecoder
from worker.serving.pixel_budget import PixelBudget

PIXELS = 4


class CountingDecoder:
    def __init__(self) -> None:
        self.started = 0

    async def decode(self, data: bytes) -> RgbImage:
        self.started += 1
        await asyncio.sleep(0)
        return RgbImage(Image.new("RGB", (PIXELS, 1)), "png")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_decoded_image_keeps_its_turn_until_there_is_room_for_its_pixels() -> None:
    decoder = CountingDecoder()
    bounded = BoundedDecoder(decoder, turns=2, budget=PixelBudget(PIXELS))
    leave = asyncio.Event()
    answered: list[int] = []

    async def answer(number: int) -> None:
        async with bounded.hold_decoded(b"") as image:
            assert image.size_px == (PIXELS, 1)
            await leave.wait()
        answered.append(number)

    tasks = [asyncio.create_task(answer(number)) for number in range(6)]
    await settle()
    assert decoder.started == 3, "one in the budget, two wait with their turns"
    leave.set()
    await asyncio.gather(*tasks)
    assert answered == [0, 1, 2, 3, 4, 5]


async def test_an_event_that_is_cancelled_gives_back_its_turn_and_its_pixels() -> None:
    decoder = CountingDecoder()
    bounded = BoundedDecoder(decoder, turns=1, budget=PixelBudget(PIXELS))
    entered = 0

    async def answer() -> None:
        nonlocal entered
        async with bounded.hold_decoded(b""):
            entered += 1
            await asyncio.Event().wait()

    holding, waiting = asyncio.create_task(answer()), asyncio.create_task(answer())
    await settle()
    for task in (waiting, holding):
        task.cancel()
    await asyncio.gather(waiting, holding, return_exceptions=True)
    assert entered == 1
    async with bounded.hold_decoded(b""):
        assert decoder.started == 3
