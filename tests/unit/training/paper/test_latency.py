import itertools

from PIL import Image

from pipeline.engine import Query
from pipeline.errors import GenerationFailed
from pipeline.verdict import RgbImage, Verdict
from tests.support.engines import DigestEngine
from training.evaluation.samples import Sample
from training.paper import latency

SAMPLES = [Sample(n, RgbImage(Image.new("RGB", (200, 200), (n, 9, 9)), "png"), Verdict.REAL, ()) for n in range(3)]


async def test_one_query_ends_where_the_second_begins() -> None:
    ticks = itertools.count()
    latencies = await latency.measure_latency(SAMPLES, DigestEngine(), clock=lambda: next(ticks))
    assert list(latencies.one_query) == [1, 1, 1]
    assert list(latencies.two_queries) == [2, 2, 2]


async def test_an_image_without_an_answer_is_left_out() -> None:
    async def fail(_query: Query) -> None:
        raise GenerationFailed("dropped")

    latencies = await latency.measure_latency(SAMPLES, DigestEngine(before=fail))
    assert (latencies.one_query, latencies.two_queries) == ([], [])
