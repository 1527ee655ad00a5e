import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, InternalFault
from pipeline.sandbox.decode_pool import DecodePool
from pipeline.verdict import RgbImage
from tests.support.builders import build_noise, encode_image

SMALL = encode_image(build_noise(), "PNG")
LARGE_SIZE = (300, 200)
SHORT_S = 1.0
"""a deadline to wait for, and long enough for a small image on a busy machine"""
MakePool = Callable[..., DecodePool]
Children = Callable[[], list[psutil.Process]]


@pytest.fixture
def children() -> Children:
    """Processes that this test started; a new one has no name for a moment."""
    before = set(psutil.Process().children())
    return lambda: [process for process in psutil.Process().children() if process not in before]


@pytest.fixture
def pool(children: Children) -> Iterator[MakePool]:
    made: list[DecodePool] = []

    def make(*, max_pixels: int = 1_000_000, workers: int = 1, **limits: float) -> DecodePool:
        made.append(DecodePool(max_pixels=max_pixels, workers=workers, **limits))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


async def test_pixels_come_back_as_they_are(pool: MakePool) -> None:
    image = await pool().decode(encode_image(build_noise(), "GIF", save_all=True, append_images=[build_noise(seed=1)]))
    assert (image.format, image.frames, image.size_px, image.pixels.mode) == ("gif", 2, (64, 48), "RGB")
    image = await pool().decode(SMALL)
    assert (np.asarray(image.pixels) == np.asarray(build_noise())).all()


async def test_more_images_than_children_wait_for_their_turn(pool: MakePool, children: Children) -> None:
    decoder = pool(workers=2)
    sent = [build_noise(40 + seed, 30, seed=seed) for seed in range(12)]
    got = await asyncio.gather(*(decoder.decode(encode_image(image, "PNG")) for image in sent))
    assert all((np.asarray(a) == np.asarray(b.pixels)).all() for a, b in zip(sent, got, strict=True))
    assert len(children()) == 2


async def test_errors_cross_the_process_and_the_child_stays(pool: MakePool, children: Children) -> None:
    decoder = pool(max_pixels=4000)
    (before,) = children()
    with pytest.raises(ImageTooLarge, match="6400 pixels"):
        await decoder.decode(encode_image(build_noise(80, 80), "PNG"))
    with pytest.raises(ImageRefused, match="jpeg"):
        await decoder.decode(b"hello")
    with pytest.raises(ImageUndecodable, match="broken"):
        await decoder.decode(SMALL[:20])
    assert children() == [before]


async def test_an_image_beyond_the_memory_limit_is_too_large(pool: MakePool) -> None:
    """9,000 x 9,000 pixels in 80 kB: within the cap in pixels, not within 256 MiB."""
    decoder = pool(max_pixels=100_000_000, memory_limit_mib=256)
    bomb = encode_image(Image.new("L", (9000, 9000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(ImageTooLarge, match="memory"):
        await decoder.decode(bomb)
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_a_stuck_child_is_killed_and_replaced(pool: MakePool, children: Children) -> None:
    decoder = pool(deadline_s=SHORT_S)
    await decoder.decode(SMALL)
    (stuck,) = children()
    stuck.suspend()
    with pytest.raises(ImageUndecodable, match=r"took longer than 1\.0 s"):
        await decoder.decode(SMALL)
    assert not stuck.is_running()
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_a_file_that_takes_too_much_cpu_time_is_given_up(pool: MakePool) -> None:
    decoder = pool(max_pixels=100_000_000, deadline_s=0.05)
    with pytest.raises(ImageUndecodable, match=r"took longer than 0\.05 s"):
        await decoder.decode(encode_image(Image.new("L", (9000, 9000)), "PNG"))
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_a_decoder_that_waits_for_a_cpu_is_not_at_its_deadline(pool: MakePool, children: Children) -> None:
    decoder = pool(deadline_s=SHORT_S)
    await decoder.read_confinement()
    (waiting,) = children()
    waiting.suspend()
    asyncio.get_running_loop().call_later(1.5 * SHORT_S, waiting.resume)
    assert (await decoder.decode(SMALL)).size_px == (64, 48)
    assert children() == [waiting]


def shared_bytes(child: psutil.Process) -> int:
    """What parent and child hand each other: the file, then its pixels."""
    (memory,) = [path for path in Path(f"/proc/{child.pid}/fd").iterdir() if "/memfd:pixels" in str(path.readlink())]
    return memory.stat().st_size


async def test_a_child_that_dies_at_work_costs_its_image_alone(pool: MakePool, children: Children) -> None:
    decoder = pool()
    await decoder.read_confinement()
    work = await kill_at_work(decoder, *children())
    with pytest.raises(ImageUndecodable, match="killed the decoder"):
        await work
    assert (await decoder.decode(SMALL)).size_px == (64, 48)


async def test_an_image_does_not_pay_for_a_child_that_had_another_before(pool: MakePool, children: Children) -> None:
    decoder = pool()
    await decoder.decode(SMALL)
    assert (await (await kill_at_work(decoder, *children()))).size_px == LARGE_SIZE


async def kill_at_work(pool: DecodePool, child: psutil.Process) -> asyncio.Task[RgbImage]:
    child.suspend()  # or it might be done before it dies
    large = encode_image(build_noise(*LARGE_SIZE), "PNG")
    work = asyncio.create_task(pool.decode(large))
    while shared_bytes(child) < len(large):  # noqa: ASYNC110 - another process and another thread
        await asyncio.sleep(0)
    child.kill()
    return work


async def test_an_image_does_not_pay_for_a_child_that_died_before(pool: MakePool, children: Children) -> None:
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
    assert (await decoder.decode(encode_image(build_noise(20, 10), "PNG"))).size_px == (20, 10)


def descriptors() -> set[tuple[str, str]]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of this very listing
            found.add((path.name, str(path.readlink())))
    return found


async def test_nothing_is_left_behind(pool: MakePool, children: Children) -> None:
    before = descriptors()
    decoder = pool(workers=2, deadline_s=SHORT_S)
    await asyncio.gather(*(decoder.decode(SMALL) for _ in range(8)))
    mapped = [part.path for child in children() for part in child.memory_maps()]
    assert mapped
    assert not [path for path in mapped if path.startswith("/dev/shm")], "what has a name outlives a crash"
    children()[0].suspend()
    await asyncio.gather(*(decoder.decode(SMALL) for _ in range(4)), return_exceptions=True)
    decoder.close()
    assert children() == []
    assert descriptors() <= before, "what others leave to the garbage collector may go meanwhile"


async def test_closing_does_not_wait_for_a_slow_image(pool: MakePool, children: Children) -> None:
    decoder = pool(deadline_s=60)
    await decoder.decode(SMALL)
    children()[0].suspend()
    work = asyncio.create_task(decoder.decode(SMALL))
    await asyncio.sleep(0)
    decoder.close()
    with pytest.raises((ImageUndecodable, asyncio.CancelledError)):
        await work
    assert children() == []


async def test_a_child_sees_no_credentials(pool: MakePool, children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    await pool().decode(SMALL)
    (child,) = children()
    assert "PYTHONPATH" in child.environ()
    assert "AWS_SECRET_ACCESS_KEY" not in child.environ()


def test_a_child_ends_when_its_parent_is_killed() -> None:
    program = (
        "from pipeline.sandbox.decode_pool import DecodePool; DecodePool(max_pixels=9); print(flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        left = psutil.Process(parent.pid).children()
        parent.kill()
    assert left
    assert psutil.wait_procs(left, timeout=30)[1] == []
