"""The corpus through one real worker on real Kafka and S3: what was sent, what came back, what surprises."""

import json
import random
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import psutil

from pipeline.checkpoint import Checkpoint
from tests.hostile import connections, corpus
from tests.hostile.addresses import Ground
from tests.hostile.checks import AnswerRecord, Letter, Place, Sent, list_outcomes
from tests.hostile.entries import MAX_PIXELS
from tests.hostile.listener import ForbiddenListener
from tests.hostile.meter import MemoryMeter
from tests.hostile.post import Post
from tests.support.paths import MODEL
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.site import Site

SETTINGS = {
    "ZOOMIN_STORE__MAX_IMAGE_PIXELS": str(MAX_PIXELS),
    "ZOOMIN_RETRY__PATIENCE_S": "5",
    "ZOOMIN_RETRY__MAX_WAIT_S": "1",
}
SILENCE_LIMIT_S = 60.0
"""an image may take a decoder 20 s, and slow ones wait for each other's decoder"""
BUSY_S = 2.0
"""a decoder that has worked this long on one image is at a slow one"""
KILLED_WITHIN_S = 60.0
SAY_EVERY_S = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """`counts`: entries by class; `outcomes`: what came of them; `forbidden`: whom the worker should not have asked."""

    counts: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]]
    surprises: Sequence[str]
    forbidden: Sequence[str]
    peak_mib: float


def run(site: Site, *, seed: int, say: Say, every: int = 1) -> Report:
    """`every` takes one of so many entries, and no slow image but the one at which a decoder is killed."""
    watch = site.directory / "watch"
    site.settings |= SETTINGS | connections.watching(watch)
    s3_port = int(site.s3.endpoint_url.rpartition(":")[2])
    with ForbiddenListener() as listener, closing(Post(site, Checkpoint.read(MODEL).card)) as post:
        ground = Ground(s3_port, site.bucket, listener.port)
        parcels = _parcels(post, ground, every)
        random.Random(seed).shuffle(parcels)  # or a row of unreadable answers would rightly stop the worker
        script = site.directory / "script.json"
        script.write_text(json.dumps(post.script))
        with site.build_worker(*STANDIN, "--script", str(script)) as worker:
            worker.wait_until_started()
            with MemoryMeter(worker.pid) as meter:
                killed = _kill_a_decoder(post, worker)
                say(f"{len(parcels)} records for the worker")
                for send in parcels:
                    send()
                _wait(site, worker, len(post.sent), say)
            found = [*killed, *_ending(worker), *_forged(worker)]
        got = _answers(site)
        found += _surprises(post.sent, got)
        ours = {f"127.0.0.1:{s3_port}", site.kafka.bootstrap_servers}
        unseen = ours - connections.met(watch)
        found += [f"nobody saw the worker talk to {', '.join(sorted(unseen))}: the watch was blind"] * bool(unseen)
        strangers = connections.strangers(watch, allowed={*ours, "127.0.0.1", "localhost"})
        forbidden = [*strangers, *(repr(request) for request in listener.requests)]
    return Report(_counts(post.sent), _outcomes(post.sent, got), found, forbidden, meter.peak_mib)


def _parcels(post: Post, ground: Ground, every: int) -> list[Callable[[], None]]:
    """What sends each entry, once its objects are stored."""
    images = [entry for entry in corpus.images() if every == 1 or not entry.slow][::every]
    return [
        *(post.image(entry) for entry in images),
        *post.events(corpus.events(ground)[::every]),
        *post.twins(),
        *(post.answer(number, entry) for number, entry in enumerate(corpus.answers()[::every])),
    ]


def _kill_a_decoder(post: Post, worker: WorkerProcess) -> list[str]:
    """A segmentation fault, as the kernel reports one, in a decoder that is at work.

    If that decoder had another file before, the file goes on to a fresh one, and takes too long there.
    """
    slow = next(entry for entry in corpus.images() if entry.slow)
    idle = {process.pid: sum(process.cpu_times()[:2]) for process in _decoders(worker)}
    post.image(slow, ended_by="decoding ")()
    deadline = time.monotonic() + KILLED_WITHIN_S
    while time.monotonic() < deadline:
        for process in _decoders(worker):
            if sum(process.cpu_times()[:2]) > idle.get(process.pid, 0.0) + BUSY_S:
                process.send_signal(signal.SIGSEGV)
                return []
        time.sleep(0.1)
    return ["no decoder came to work on a slow image"]


def _decoders(worker: WorkerProcess) -> list[psutil.Process]:
    return [p for p in psutil.Process(worker.pid).children() if "pipeline.sandbox.decoding_child" in p.cmdline()]


def _wait(site: Site, worker: WorkerProcess, total: int, say: Say) -> None:
    """Until every record is closed, or none has been for long: the checks name what is missing."""
    closed, changed_at, said_at = -1, time.monotonic(), -SAY_EVERY_S
    while worker.running and closed < total and time.monotonic() - changed_at < SILENCE_LIMIT_S:
        now_closed = sum(site.read_committed_offsets().values())
        if now_closed != closed:
            closed, changed_at = now_closed, time.monotonic()
        if time.monotonic() - said_at >= SAY_EVERY_S or closed == total:
            said_at = time.monotonic()
            say(f"{closed} of {total} records closed")
        time.sleep(1)


def _ending(worker: WorkerProcess) -> list[str]:
    """It outlived the corpus, and leaves when it is asked to."""
    how = "was asked to stop" if worker.running else "ended by itself"
    try:
        code: int | None = worker.stop()
    except subprocess.TimeoutExpired:
        code = None
    if how == "was asked to stop" and code == 0:
        return []
    log = worker.log.read_text(errors="replace")[-2000:]
    return [f"the worker {how} and {'stayed' if code is None else f'left with code {code}'}:\n{log}"]


def _forged(worker: WorkerProcess) -> list[str]:
    """Lines of the log that neither we nor a library began: nobody's key or id may."""
    lines = worker.log.read_text(errors="replace").splitlines()
    return [f"a line of the log that nobody began: {line}" for line in lines if not line.startswith(('{"', "WARNING "))]


def _answers(site: Site) -> dict[Place, list[AnswerRecord]]:
    got: dict[Place, list[AnswerRecord]] = defaultdict(list)
    for verdict in site.read_verdicts():
        got[verdict.record.partition, verdict.record.offset].append(verdict)
    for letter in map(Letter.build, site.read_dead_letters()):
        got[letter.place].append(letter)
    return got


def _surprises(sent: Mapping[Place, Sent], got: Mapping[Place, Sequence[AnswerRecord]]) -> list[str]:
    found = []
    for place, entry in sent.items():
        problem = entry.find_problem(got.get(place, []))
        if problem:
            found.append(f"{entry.kind}, {entry.name} ({entry.reason}): {problem}")
    return found + [f"an answer to nobody: {place}" for place in got.keys() - sent.keys()]


def _counts(sent: Mapping[Place, Sent]) -> dict[str, int]:
    return dict(Counter(entry.kind for entry in sent.values()))


def _outcomes(sent: Mapping[Place, Sent], got: Mapping[Place, Sequence[AnswerRecord]]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for place, entry in sent.items():
        counted[entry.kind].update(list_outcomes(got.get(place, [])))
    return {kind: dict(counter.most_common()) for kind, counter in counted.items()}
