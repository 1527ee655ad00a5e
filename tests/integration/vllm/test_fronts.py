"""Tests the fronts with real processes and scripted answers: errors, cancelling, and every way in which one may end."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Query
from pipeline.errors import EngineDead, GenerationFailed, InternalFault
from pipeline.images import build_model_image
from pipeline.vllm.front import FrontProcess, Target
from pipeline.vllm.fronts import Fronts
from tests.support import scripted_front as script
from tests.support.paths import MODEL, ROOT
from tests.support.servers.services import eventually
from tests.support.standin_fronts import start_processes

pytestmark = pytest.mark.timeout(120)
DEADLINE_S = 60.0
CHECKPOINT = Checkpoint.read(MODEL)


@dataclass
class Running:
    fronts: Fronts
    core: BaseProcess
    processes: Sequence[FrontProcess]

    def list_pids(self) -> list[int]:
        return [process.pid or 0 for process in (self.core, *(front.process for front in self.processes))]


@asynccontextmanager
async def run_fronts(
    *, target: Target = script.serve_script, max_in_flight: int = 8, check_s: float = 60.0
) -> AsyncIterator[Running]:
    processes = start_processes(target, CHECKPOINT, 2)
    fronts = Fronts(
        processes.core,
        processes.fronts,
        processes.resources,
        max_in_flight=max_in_flight,
        check_interval_s=check_s,
        check_timeout_s=check_s,
    )
    try:
        await fronts.connect()
        yield Running(fronts, processes.core.process, processes.fronts)
    finally:
        await fronts.stop()
        await asyncio.to_thread(fronts.shutdown)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fronts() -> AsyncIterator[Fronts]:
    """Provide two fronts for the tests that end none of them."""
    async with run_fronts() as running:
        yield running.fronts


def build_query(instructions: str = script.ANSWER, *, image: int = 0) -> Query:
    view = build_model_image(Image.new("RGB", (56, 28), (image, 0, 0)))
    return Query(instructions, (view, "Query 1"), "<verdict>", ".*", 512)


@pytest.mark.asyncio(loop_scope="module")
async def test_both_queries_of_an_image_go_to_one_front_and_images_in_turn_to_all(fronts: Fronts) -> None:
    answers = [await fronts.ask(build_query(image=image), 0.5) for image in (7, 8, 7, 9, 8, 9)]
    indices = [answer.text.split()[0] for answer in answers]
    assert indices[0] == indices[2] == indices[3] == indices[5] != indices[1] == indices[4]
    assert answers[0].text.endswith("(7, 0, 0) 0.5"), "pixels and temperature arrive"


@pytest.mark.asyncio(loop_scope="module")
async def test_errors_keep_their_class_and_a_bug_in_a_front_is_an_internal_fault(fronts: Fronts) -> None:
    with pytest.raises(GenerationFailed, match="the engine refused the query"):
        await fronts.ask(build_query(script.REFUSE), 0.0)
    with pytest.raises(InternalFault, match="KeyError"):
        await fronts.ask(build_query(script.BREAK), 0.0)
    assert (await fronts.ask(build_query(), 0.0)).text


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cancelled_query_is_cancelled_in_its_front(fronts: Fronts) -> None:
    for _ in range(3):
        asking = asyncio.create_task(fronts.ask(build_query(script.WAIT), 0.0))
        await asyncio.sleep(0)  # it is sent first
        assert (await fronts.ask(build_query(), 0.0)).text  # the front takes calls in order: it waits by now
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert (await fronts.ask(build_query(script.COUNT_CANCELLED), 0.0)).text == "3", "calls arrive in their order"


async def test_more_queries_than_may_be_in_flight_wait() -> None:
    async with run_fronts(max_in_flight=1) as running:
        first = asyncio.create_task(running.fronts.ask(build_query(script.WAIT), 0.0))
        await asyncio.sleep(0)
        second = asyncio.create_task(running.fronts.ask(build_query(image=1), 0.0))
        await running.fronts._fronts[1].call("check")
        assert not second.done()
        first.cancel()
        assert (await second).text


@pytest.mark.parametrize("end", ["exit", "kill", "core"])
async def test_the_end_of_one_process_is_the_end_of_the_engine(end: str) -> None:
    async with run_fronts() as running:
        asking = [
            asyncio.create_task(running.fronts.ask(build_query(script.WAIT, image=image), 0.0)) for image in range(4)
        ]
        await running.fronts.ask(build_query(image=0), 0.0)
        if end == "exit":
            asking.append(asyncio.create_task(running.fronts.ask(build_query(script.EXIT), 0.0)))
        elif end == "kill":
            running.processes[1].process.kill()
        else:
            running.core.kill()
        for result in await asyncio.gather(*asking, return_exceptions=True):
            assert isinstance(result, EngineDead)
        assert running.fronts.dead
        with pytest.raises(EngineDead, match="died"):
            await running.fronts.ask(build_query(), 0.0)
        pids = running.list_pids()
    assert not any(map(is_alive, pids))


@pytest.mark.parametrize("end", ["front", "core"])
async def test_the_end_of_a_process_is_seen_while_nobody_asks(end: str) -> None:
    async with run_fronts() as running:
        (running.core if end == "core" else running.processes[0].process).kill()
        assert await asyncio.to_thread(eventually, lambda: running.fronts.dead)


async def test_a_front_that_hangs_is_seen_while_the_other_goes_on() -> None:
    async with run_fronts(check_s=0.3) as running:
        asking = asyncio.create_task(running.fronts.ask(build_query(script.HANG), 0.0))
        assert await asyncio.to_thread(eventually, lambda: running.fronts.dead)
        with pytest.raises(EngineDead, match=r"did not answer within 0.3 s"):
            await asking
        pids = running.list_pids()
    assert not any(map(is_alive, pids)), "a front that hangs is killed"


async def test_queries_fail_at_once_when_the_engine_is_closed() -> None:
    async with run_fronts() as running:
        asking = asyncio.create_task(running.fronts.ask(build_query(script.WAIT), 0.0))
        await running.fronts.ask(build_query(image=1), 0.0)
        await running.fronts.stop()
        with pytest.raises(EngineDead, match="closed"):
            await asking


async def test_a_front_that_ends_before_it_is_ready_fails_the_start() -> None:
    with pytest.raises(EngineDead, match="while it started"):
        async with run_fronts(target=script.exit_at_once):
            pass


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


WORKER = """
import sys, time
from pipeline.checkpoint import Checkpoint
from pipeline.vllm.front import start_front
from pipeline.vllm.options import EngineOptions, FrontPlace
from tests.support.paths import MODEL
from tests.support.scripted_front import serve_script

if __name__ == "__main__":
    front = start_front(serve_script, Checkpoint.read(MODEL), EngineOptions(fronts=2), FrontPlace(0, "", ""))
    front.connection.recv(1)
    print(front.process.pid, flush=True)
    time.sleep(600)
"""


def test_a_front_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    worker = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert worker.stdout
    with worker.stdout:
        front = os.pidfd_open(int(worker.stdout.readline()))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        ended = select.select([front], [], [], DEADLINE_S)[0]
        os.close(front)
    assert ended == [front]
