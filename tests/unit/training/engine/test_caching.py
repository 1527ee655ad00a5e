import asyncio
from dataclasses import replace

from PIL import Image

from pipeline import images, prompts
from pipeline.engine import Query
from tests.support.engines import DigestEngine
from training.engine.caching import CachingEngine, LimitedEngine, digest_query

VIEW, OTHER = (images.build_model_image(Image.new("RGB", (56, 56), (shade, 0, 0))) for shade in (1, 2))
SCAN = prompts.build_global_scan(VIEW, "thousand")


async def test_a_repeated_query_reaches_the_engine_once_also_while_it_is_asked() -> None:
    engine = DigestEngine()
    caching = CachingEngine(engine)
    first, second = await asyncio.gather(caching.ask(SCAN), caching.ask(SCAN))
    assert first == second
    await caching.ask(SCAN, temperature=0.5)
    assert engine.query_count == 2
    assert caching.card is engine.card


async def test_at_most_so_many_queries_run_at_once() -> None:
    inside = most = 0

    async def count(_query: Query) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    limited = LimitedEngine(DigestEngine(before=count), 2)
    await asyncio.gather(*(limited.ask(SCAN) for _ in range(6)))
    assert most == 2


def test_a_query_s_digest_counts_all_that_decides_its_answer() -> None:
    queries = [
        SCAN,
        prompts.build_global_scan(OTHER, "thousand"),
        prompts.build_global_scan(VIEW, "pixels"),
        prompts.build_local_check(VIEW, [], "thousand"),
        prompts.build_local_check(VIEW, [OTHER], "thousand"),
        replace(SCAN, max_tokens=3),
    ]
    digests = {digest_query(query, temperature) for query in queries for temperature in (0.0, 0.9)}
    assert len(digests) == 2 * len(queries)
    again = images.build_model_image(Image.new("RGB", (56, 56), (1, 0, 0)))
    assert digest_query(prompts.build_global_scan(again, "thousand"), 0.0) == digest_query(SCAN, 0.0)
