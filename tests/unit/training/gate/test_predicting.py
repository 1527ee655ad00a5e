import asyncio

from tests.support.engines import DigestEngine
from training.evaluation import samples
from training.gate.predicting import time_images


def test_the_first_images_warm_the_engine_up() -> None:
    drawn = samples.draw_held_out(4, 1)
    seconds = asyncio.run(time_images(drawn, DigestEngine()))
    assert len(seconds) == 2
    assert all(seconds)


def test_few_images_leave_none_to_time() -> None:
    assert asyncio.run(time_images(samples.draw_held_out(1, 1), DigestEngine())) == []
