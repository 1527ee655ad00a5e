"""Starts the contenders, each with an engine of its own, and hands them their work."""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers.options import IN_FLIGHT
from tests.bench.peers.results import Run, read_run
from tests.bench.run.child import Child, start_child
from tests.bench.run.ground import BenchFailed, Ground, MeasuredSite
from tests.bench.run.job import SEQUENCES, BatchJob, BatchResult, ClientJob
from tests.bench.run.pictures import Pictures
from tests.bench.run.processes import CpuMeter
from tests.bench.run.session import WARM_UP_EVENTS, Session
from tests.support.processes.worker_process import REAL
from worker.local.server import find_free_port

SERVER_WITHIN_S = 600  # an engine on a busy machine
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Service:
    """A contender that consumes events; idle between runs."""

    ground: Ground
    site: MeasuredSite
    meter: CpuMeter

    def judge(self, numbers: range) -> Run:
        """Judge the pictures of these numbers as events."""
        self.meter.start()
        began_s = time.time()
        records = self.site.judge_records(self.ground.urls(numbers))
        return read_run(records, began_s=began_s, cpu_s=self.meter.seconds(), ends=IN_FLIGHT)


@dataclass(frozen=True, slots=True)
class Batch:
    """The contender that judges files; the files are written before the clock runs."""

    child: Child
    directory: Path
    pictures: Pictures
    meter: CpuMeter

    def judge(self, numbers: range) -> Run:
        """Judge the pictures of these numbers as files."""
        files = [self.directory / f"{number:06}.jpg" for number in numbers]
        for file, number in zip(files, numbers, strict=True):
            file.write_bytes(self.pictures.jpeg(number))
        self.meter.start()
        result = BatchResult(**self.child.perform(BatchJob([str(file) for file in files])))
        names = [file.name for file in files]
        return Run(result.seconds, dict(zip(names, result.verdicts, strict=True)), self.meter.seconds())


Contender = Service | Batch


@dataclass(frozen=True, slots=True)
class Peers:
    """All contenders, warm."""

    worker: Service
    server_client: Service
    offline_batch: Batch


@contextmanager
def start_peers(session: Session) -> Iterator[Peers]:
    """Start all contenders at the same time, which takes minutes, and let them judge the first pictures."""
    ground, model = session.ground, str(session.checkpoint.path)
    directory = ground.directory / "files"
    directory.mkdir()
    session.progress.say("Starting three engines: the worker's, the server's and the batch's")
    with ExitStack() as stack:
        worker = stack.enter_context(
            session.pipeline("peers", *REAL, in_flight=IN_FLIGHT, ENGINE__MAX_NUM_SEQS=str(SEQUENCES))
        )
        child = stack.enter_context(
            start_child("tests.bench.peers.offline_batch", ground.directory / "offline_batch.log", model)
        )
        server_client = stack.enter_context(_start_server_client(session, model))
        session.progress.say("Waiting for the worker and the batch")
        worker.ready()
        child.wait()
        peers = Peers(
            worker=Service(ground, worker.site, CpuMeter({"worker": worker.worker.pid, **ground.servers})),
            server_client=server_client,
            offline_batch=Batch(child, directory, Pictures(), CpuMeter({"batch": child.pid})),
        )
        contenders: tuple[Contender, ...] = (peers.server_client, peers.offline_batch)
        for contender in contenders:
            contender.judge(range(WARM_UP_EVENTS))
        yield peers


@contextmanager
def _start_server_client(session: Session, model: str) -> Iterator[Service]:
    """Start the server and, as soon as it serves, its client."""
    ground, port = session.ground, find_free_port()
    logs = ground.directory
    with ExitStack() as stack:
        server = stack.enter_context(start_child("tests.bench.peers.server", logs / "server.log", model, str(port)))
        site = stack.enter_context(ground.site("server-client"))
        _wait_for_server(server, port)
        client = stack.enter_context(start_child("tests.bench.peers.server_client", logs / "server_client.log"))
        client.tell(ClientJob(f"http://127.0.0.1:{port}/v1", model, IN_FLIGHT, site.place))
        client.wait()
        yield Service(ground, site, CpuMeter({"client": client.pid, "server": server.pid, **ground.servers}))


def _wait_for_server(server: Child, port: int) -> None:
    deadline = time.monotonic() + SERVER_WITHIN_S
    while not _is_healthy(port):
        server.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"vLLM's server does not serve within {SERVER_WITHIN_S} s")
        time.sleep(LOOK_EVERY_S)


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
