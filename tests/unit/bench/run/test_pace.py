import pytest
from PIL import Image

from pipeline import prompts
from pipeline.images import build_model_image
from tests.support.engines import Pace

QUERY = prompts.build_global_scan(build_model_image(Image.new("RGB", (28, 28))), "pixels")


async def ends(pace_at: float, *, concurrency: int, arrivals: list[float]) -> list[float]:
    """When queries that come at these times leave an engine of this pace."""
    now, left = 0.0, []

    async def sleep(seconds: float) -> None:
        left.append(now + seconds)

    pace = Pace(pace_at, concurrency, clock=lambda: now, sleep=sleep)
    for now in arrivals:  # noqa: B007 - read by the clock
        await pace(QUERY)
    return left


async def test_a_full_engine_ends_two_queries_an_image_evenly() -> None:
    left = await ends(10, concurrency=4, arrivals=[0.0] * 40)
    assert left == pytest.approx([0.2 + 0.05 * n for n in range(40)])


async def test_a_query_alone_takes_its_whole_time() -> None:
    assert await ends(10, concurrency=4, arrivals=[0, 5]) == pytest.approx([0.2, 5.2])


async def test_half_full_it_works_at_half_pace() -> None:
    arrivals = [0.1 * n for n in range(100)]
    left = await ends(10, concurrency=4, arrivals=arrivals)
    assert left == pytest.approx([at + 0.2 for at in arrivals])
