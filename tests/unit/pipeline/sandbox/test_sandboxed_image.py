import asyncio
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.local_image import LocalImage
from pipeline.sandbox.decode_pool import DecodePool
from pipeline.verdict import BoundingBox, ModelImage, RgbImage
from pipeline.zoomin import ZoomableImage
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.gif import GifFrame, build_gif, fill, tile

SIZE = (900, 700)
FILE = encode_image(build_noise(*SIZE), "JPEG")
PIXELS = SIZE[0] * SIZE[1]
VIEW_MAX_PIXELS = 280 * 280
CROP_MAX_PIXELS = 140 * 140
BOXES = [BoundingBox(0, 0, 900, 700), BoundingBox(13, 17, 300, 91), BoundingBox(880, 690, 900, 700)]
Children = Callable[[], list[psutil.Process]]


@pytest.fixture(params=[10 * PIXELS, PIXELS - 1], ids=["kept", "decoded again"])
def keep_pixels(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def children() -> Children:
    before = set(psutil.Process().children())
    return lambda: [child for child in psutil.Process().children() if child not in before]


@pytest.fixture
def pool(children: Children, keep_pixels: int) -> Iterator[DecodePool]:
    opened = DecodePool(max_pixels=1_000_000, workers=1, keep_pixels=keep_pixels)
    yield opened
    opened.close()


def read(image: ModelImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(image.pixels)


async def assert_same_pictures(image: ZoomableImage, local: LocalImage) -> None:
    """The view and the crops of both are the same to the last bit, with the same digests."""
    ours, theirs = [await each.build_view(VIEW_MAX_PIXELS) for each in (image, local)]
    assert image.size_px == local.size_px
    assert ours == theirs
    assert (read(ours) == read(theirs)).all()
    crops, expected = [await each.cut_crops(BOXES, CROP_MAX_PIXELS) for each in (image, local)]
    assert crops == expected
    assert all((read(a.image) == read(b.image)).all() for a, b in zip(crops, expected, strict=True))
    assert all(images.digest_pixels(crop.image.pixels) == crop.image.sha256 for crop in crops)


async def test_view_and_crops_are_those_of_the_full_size_image(pool: DecodePool) -> None:
    local = LocalImage(decode(FILE, max_pixels=PIXELS))
    async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS) as image:
        assert (image.format, image.frames) == ("jpeg", 1)
        await assert_same_pictures(image, local)
        await assert_same_pictures(image, local)
        other = await image.build_view(140 * 140)
        assert other == await local.build_view(140 * 140)


async def test_the_frame_that_was_judged_and_a_repaired_file_are_known(pool: DecodePool) -> None:
    file = build_gif((64, 48), [GifFrame(fill(64, 48, 1)), GifFrame(tile(64, 48))])[:-1]
    async with pool.open_image(file, view_max_pixels=VIEW_MAX_PIXELS) as image:
        assert (image.format, image.frames, image.frame, image.repaired) == ("gif", 2, 1, True)
        view = await LocalImage(decode(file, max_pixels=PIXELS)).build_view(VIEW_MAX_PIXELS)
        assert await image.build_view(VIEW_MAX_PIXELS) == view
    whole = await pool.decode(file)
    assert (whole.frames, whole.frame, whole.repaired) == (2, 1, True)


async def test_an_image_without_crops_is_asked_for_none(pool: DecodePool) -> None:
    async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS) as image:
        assert await image.cut_crops([], CROP_MAX_PIXELS) == ()


@pytest.mark.parametrize("keep_pixels", [2 * PIXELS], ids=["room for two"])
async def test_pixels_are_free_again_when_crops_are_cut_or_the_image_is_left(pool: DecodePool) -> None:
    for boxes in (BOXES, [], None) * 2:
        async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS) as image:
            assert image._kept is not None
            if boxes is not None:
                await image.cut_crops(boxes, CROP_MAX_PIXELS)
                assert image._kept is None


@pytest.mark.parametrize("keep_pixels", [10 * PIXELS], ids=["kept"])
async def test_pixels_that_died_with_their_process_are_decoded_again(pool: DecodePool, children: Children) -> None:
    local = LocalImage(decode(FILE, max_pixels=PIXELS))
    async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS) as image:
        (child,) = children()
        child.kill()
        psutil.wait_procs([child])
        await assert_same_pictures(image, local)


@pytest.mark.parametrize("keep_pixels", [PIXELS], ids=["room for one"])
async def test_a_cancelled_event_leaves_no_pixels_behind(pool: DecodePool) -> None:
    async def open_and_wait() -> None:
        async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS):
            await asyncio.Event().wait()

    await pool.decode(FILE)
    for turns in (1, 3, 100):
        event = asyncio.create_task(open_and_wait())
        for _ in range(turns):
            await asyncio.sleep(0)
        event.cancel()
        await asyncio.gather(event, return_exceptions=True)
    await pool.decode(FILE)  # behind the work that was given up
    await asyncio.gather(*pool._drops)
    async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS) as image:
        assert image._kept is not None


async def test_crops_do_not_wait_for_a_process_that_is_stuck(children: Children) -> None:
    local = LocalImage(decode(FILE, max_pixels=PIXELS))
    pool = DecodePool(max_pixels=1_000_000, workers=2, keep_pixels=4 * PIXELS, owner_patience_s=0.01)
    try:
        async with pool.open_image(FILE, view_max_pixels=VIEW_MAX_PIXELS) as image:
            assert image._kept is not None
            owner = psutil.Process(image._kept.child.process.pid)
            owner.suspend()
            slow = asyncio.create_task(pool._run(lambda decoder: decoder.decode(FILE), owner=image._kept.decoder))
            await asyncio.sleep(0)
            await assert_same_pictures(image, local)
            owner.resume()
            assert (await slow).size_px == SIZE
        await asyncio.gather(*pool._drops)
    finally:
        pool.close()


async def test_the_png_holds_the_pixels_that_were_judged(pool: DecodePool) -> None:
    png = await pool.encode_png(FILE, SIZE)
    judged, stored = (decode(data, max_pixels=PIXELS) for data in (FILE, png))
    assert isinstance(stored, RgbImage)
    assert images.digest_pixels(stored.pixels) == images.digest_pixels(judged.pixels)
    assert png == images.encode_png(judged.pixels)
