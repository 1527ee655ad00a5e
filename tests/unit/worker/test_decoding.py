import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, InternalFault
from tests.builders import encoded, noise
from worker.decoding import DecodePool

SMALL = encoded(noise(), "PNG")
MakePool = Callable[..., DecodePool]


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "worker.decoding_child" in p.cmdline()]


@pytest.fixture
def pool() -> Iterator[MakePool]:
    made: list[DecodePool] = []

    def make(*, max_pixels: int = 1_000_000, workers: int = 1, **limits: float) -> DecodePool:
        made.append(DecodePool(max_pixels=max_pixels, workers=workers, **limits))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


async def test_pixels_come_back_as_they_are(pool: MakePool) -> None:
    image = await pool().decode(encoded(noise(), "GIF", save_all=True, append_images=[noise(seed=1)]))
    assert (image.format, image.frames, image.size_px, image.pixels.mode) == ("gif", 2, (64, 48), "RGB")
    image = await pool().decode(SMALL)
    assert (np.asarray(image.pixels) == np.asarray(noise())).all()


async def test_more_images_than_children_wait_for_their_turn(pool: MakePool) -> None:
    decoder = pool(workers=2)
    sent = [noise(40 + seed, 30, seed=seed) for seed in range(12)]
    got = await asyncio.gather(*(decoder.decode(encoded(image, "PNG")) for image in sent))
    assert all((np.asarray(a) == np.asarray(b.pixels)).all() for a, b in zip(sent, got, strict=True))
    assert len(children()) == 2


async def test_errors_cross_the_process_and_the_child_stays(pool: MakePool) -> None:
    decoder = pool(max_pixels=4000)
    (before,) = children()
    with pytest.raises(ImageTooLarge, match="6400 pixels"):
        await decoder.decode(encoded(noise(80, 80), "PNG"))
    with pytest.raises(ImageRefused, match="JPEG"):
        await decoder.decode(b"hello")
    with pytest.raises(ImageUndecodable, match="truncated"):
        await decoder.decode(SMALL[:-500])
    assert children() == [before]


async def test_an_image_beyond_the_memory_limit_is_too_large(pool: MakePool) -> None:
    """9,000 x 9,000 pixels in 80 kB: within the cap in pixels, not within 256 MiB."""
    decoder = pool(max_pixels=100_000_000, memory_limit_mib=256)
    bomb = encoded(Image.new("L", (9000, 9000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(ImageTooLarge, match="memory"):
        await decoder.decode(bomb)
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_a_stuck_child_is_killed_and_replaced(pool: MakePool) -> None:
    decoder = pool(deadline_s=0.5)
    await decoder.decode(SMALL)
    (stuck,) = children()
    stuck.suspend()
    with pytest.raises(ImageUndecodable, match=r"took longer than 0\.5 s"):
        await decoder.decode(SMALL)
    assert not stuck.is_running()
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_a_child_that_dies_at_work_costs_its_image_alone(pool: MakePool) -> None:
    decoder = pool(max_pixels=50_000_000)
    await decoder.decode(SMALL)
    (child,) = children()
    before = sum(child.cpu_times()[:2])
    work = asyncio.create_task(decoder.decode(encoded(Image.new("L", (6000, 6000)), "PNG")))
    await asyncio.sleep(0)
    while sum(child.cpu_times()[:2]) == before:
        pass
    child.kill()
    with pytest.raises(ImageUndecodable, match="killed the decoder"):
        await work
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_an_image_does_not_pay_for_a_child_that_died_before(pool: MakePool) -> None:
    decoder = pool()
    await decoder.decode(SMALL)
    (child,) = children()
    child.kill()
    psutil.wait_procs([child])
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_a_decoder_that_cannot_start_is_our_fault(pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    decoder = pool()
    with pytest.raises(InternalFault, match="does not start"):
        await decoder.decode(SMALL)


async def test_a_given_up_wait_does_not_mix_up_answers(pool: MakePool) -> None:
    decoder = pool()
    given_up = asyncio.create_task(decoder.decode(SMALL))
    await asyncio.sleep(0)
    given_up.cancel()
    assert (await decoder.decode(encoded(noise(20, 10), "PNG"))).size_px == (20, 10)


async def test_nothing_is_left_behind(pool: MakePool) -> None:
    def open_things() -> tuple[int, set[str]]:
        return psutil.Process().num_fds(), {path.name for path in Path("/dev/shm").iterdir()}

    before = open_things()
    decoder = pool(workers=2, deadline_s=0.5)
    await asyncio.gather(*(decoder.decode(SMALL) for _ in range(8)))
    children()[0].suspend()
    await asyncio.gather(*(decoder.decode(SMALL) for _ in range(4)), return_exceptions=True)
    decoder.close()
    assert children() == []
    assert open_things() == before


async def test_closing_does_not_wait_for_a_slow_image(pool: MakePool) -> None:
    decoder = pool(deadline_s=60)
    await decoder.decode(SMALL)
    children()[0].suspend()
    work = asyncio.create_task(decoder.decode(SMALL))
    await asyncio.sleep(0)
    decoder.close()
    with pytest.raises((ImageUndecodable, asyncio.CancelledError)):
        await work
    assert children() == []


def test_a_child_sees_no_credentials(pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    pool()
    assert "AWS_SECRET_ACCESS_KEY" not in children()[0].environ()


def test_a_child_ends_when_its_parent_is_killed() -> None:
    program = "from worker.decoding import DecodePool; DecodePool(max_pixels=9); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        left = psutil.Process(parent.pid).children()
        parent.kill()
    assert left
    assert psutil.wait_procs(left, timeout=30)[1] == []
