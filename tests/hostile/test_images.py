"""Every hostile image through the processes that decode for the worker."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pipeline.errors import ImageUndecodable, PoisonError
from pipeline.sandbox.decode_pool import DecodePool
from tests.hostile.corpus import images
from tests.hostile.entries import MAX_BYTES, MAX_PIXELS, HostileImage, Picture

CORPUS = images()
GIVEN_UP_AFTER_S = 5.0
"""long enough for a small image on a machine that does something else for a while"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[DecodePool]:
    decoder = DecodePool(max_pixels=MAX_PIXELS, workers=1)
    yield decoder
    decoder.close()


def test_the_corpus_is_large_and_says_why() -> None:
    assert len({entry.name for entry in CORPUS}) == len(CORPUS) >= 200
    assert all(entry.reason for entry in CORPUS)


async def surprise(entry: HostileImage, decoder: DecodePool) -> str | None:
    try:
        image = await decoder.decode(entry.content)
    except PoisonError as error:
        return None if error.code in entry.expected_codes else f"{error.code}: {error.detail}"
    if isinstance(entry.expected, Picture):
        return entry.expected.differs(image.pixels, image.format, image.frames)
    return None if "picture" in entry.expected else f"a {image.format} of {image.size_px}"


@pytest.mark.asyncio(loop_scope="module")
async def test_every_image_is_judged_as_shown_or_refused_with_its_code(pool: DecodePool) -> None:
    decodable = [entry for entry in CORPUS if len(entry.content) <= MAX_BYTES and not entry.slow]
    assert len(decodable) >= len(CORPUS) - 3
    found = {entry.name: await surprise(entry, pool) for entry in decodable}
    assert {name: said for name, said in found.items() if said} == {}


async def test_what_takes_minutes_is_given_up_and_costs_its_image_alone() -> None:
    slow = [entry for entry in CORPUS if entry.slow]
    decoder = DecodePool(max_pixels=MAX_PIXELS, workers=len(slow), deadline_s=GIVEN_UP_AFTER_S)
    try:
        for done in asyncio.as_completed([decoder.decode(entry.content) for entry in slow]):
            with pytest.raises(ImageUndecodable, match="took longer than"):
                await done
        small = next(entry for entry in CORPUS if entry.name == "PNG-64x48")
        assert await surprise(small, decoder) is None
    finally:
        decoder.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_decoder_outlives_the_corpus(pool: DecodePool) -> None:
    entry = next(entry for entry in CORPUS if entry.name == "PNG-64x48")
    assert await asyncio.wait_for(surprise(entry, pool), 30) is None
