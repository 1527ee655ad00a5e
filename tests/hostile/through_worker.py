"""The corpus through a real worker on real Kafka and S3: what was sent, what came back, what surprises."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil
from botocore.exceptions import BotoCoreError, ClientError
from kafka import KafkaProducer
from PIL import Image

from pipeline.checkpoint import CheckpointCard
from pipeline.images import png
from pipeline.messages import VerdictEvent
from pipeline.verdict import RgbImage
from pipeline.zoomin import inspect
from tests.builders import noise
from tests.engines import DigestEngine
from tests.hostile.answering_worker import SIDE_PX, color
from tests.hostile.entries import MAX_BYTES, HostileAnswer, HostileEvent, HostileImage, Picture
from tests.site import Site
from tests.worker_process import WorkerProcess

MEBI = 1024 * 1024
WITHIN_S = 300
LOOK_EVERY_S = 1.0
ABSENT = ("image_missing", "image_denied")

Place = tuple[int, int]
Answers = list[VerdictEvent | str]
"""of one record: verdicts, and the codes of dead letters"""


@dataclass
class Round:
    """One worker's share of the corpus. `expected` says of a record's answers what is wrong with them, if anything."""

    site: Site
    expected: dict[Place, tuple[str, int, Callable[[Answers], str | None]]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    peak_rss_mib: float = 0.0

    def __post_init__(self) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=self.site.kafka.bootstrap_servers, max_request_size=2 * MEBI, linger_ms=5
        )

    def send(
        self,
        name: str,
        value: bytes | None,
        count: int,
        judge: Callable[[Answers], str | None],
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """`count` answers are awaited."""
        sent = self._producer.send(self.site.images, value, key=key, headers=list(headers)).get(timeout=30)
        self.expected[sent.partition, sent.offset] = name, count, judge

    def surprises(self, worker: WorkerProcess) -> list[str]:
        """Waits for all answers, then holds each record against what was expected of it."""
        self._producer.close(timeout=5)
        self._wait(worker)
        found = [] if worker.running else [f"the worker ended:\n{worker.log.read_text()[-2000:]}"]
        got = self._answers()
        for place, (name, _, judge) in self.expected.items():
            problem = judge(got[place])
            if problem:
                found.append(f"{name}: {problem}")
            for answer in got[place] or ["ignored"]:
                self.outcomes[answer if isinstance(answer, str) else "verdict"] += 1
        return found + [f"an answer to nobody: {place}" for place in got.keys() - self.expected.keys()]

    def _wait(self, worker: WorkerProcess) -> None:
        wanted = sum(count for _, count, _ in self.expected.values())
        deadline = time.monotonic() + WITHIN_S
        process = psutil.Process(worker.pid)
        while worker.running and time.monotonic() < deadline:
            tree = [process, *process.children(recursive=True)]
            self.peak_rss_mib = max(self.peak_rss_mib, sum(one.memory_info().rss for one in tree) / MEBI)
            if self._closed(worker) and sum(map(len, self._answers().values())) >= wanted:
                break
            time.sleep(LOOK_EVERY_S)

    def _closed(self, worker: WorkerProcess) -> bool:
        return sum(self.site.committed().values()) >= len(self.expected)

    def _answers(self) -> dict[Place, Answers]:
        got: dict[Place, Answers] = defaultdict(list)
        for verdict in self.site.verdicts():
            got[verdict.record.partition, verdict.record.offset].append(verdict)
        for letter in self.site.dead_letters():
            names = [name for name, _ in letter.headers if name.startswith("zoomin-dlt-")]
            about = dict(letter.headers)
            code = about["zoomin-dlt-code"].decode() if len(set(names)) == len(names) else "forged headers"
            got[int(about["zoomin-dlt-partition"]), int(about["zoomin-dlt-offset"])].append(code)
        return got


def send_images(images: Sequence[HostileImage], round_: Round, card: CheckpointCard) -> None:
    for number, entry in enumerate(images):
        url = round_.site.upload(f"image-{number}", entry.content)
        codes = ("image_too_large",) if len(entry.content) > MAX_BYTES else entry.expected_codes
        round_.send(entry.name, url.encode(), 1, _image_judge(entry.expected, codes, card))


def _image_judge(
    expected: Picture | tuple[str, ...], codes: tuple[str, ...], card: CheckpointCard
) -> Callable[[Answers], str | None]:
    def judge(got: Answers) -> str | None:
        if len(got) != 1:
            return f"{len(got)} answers"
        (answer,) = got
        if isinstance(answer, str):
            return None if answer in codes else answer
        if not isinstance(expected, Picture):
            return None if "picture" in codes else "judged"
        return _differs(answer, expected, card)

    return judge


def _differs(verdict: VerdictEvent, expected: Picture, card: CheckpointCard) -> str | None:
    """The same inspection of the expected pixels has the same size, crops and answer."""
    image = verdict.image
    pixels = expected.pixels.convert("RGB")
    got = (image.width_px, image.height_px), image.format, image.frames
    if got != (pixels.size, expected.format, expected.frames):
        return f"{got}"
    if expected.tolerance != 0:
        return None
    inspection = asyncio.run(inspect(RgbImage(pixels, expected.format), DigestEngine(card)))
    crops = [crop.sha256 for crop in inspection.crops]
    judged = [region.crop_sha256 for region in verdict.scan.regions if region.zoomed]
    if (crops, inspection.scan.explanation) != (judged, verdict.scan.explanation):
        return "other pixels were judged"
    return None


def send_events(events: Sequence[HostileEvent], round_: Round) -> None:
    picture = png(noise())
    stored = {key: _stored(round_.site, key, picture) for key in sorted(_keys(events))}
    for entry in events:
        if any(value is None for _, value in entry.headers):
            continue  # the client sends none; test_events.py reads them
        named = entry.expected if isinstance(entry.expected, tuple) else ()
        count = 1 if isinstance(entry.expected, str) else len(named)
        judge = _event_judge(entry.expected, stored)
        round_.send(entry.name, entry.value, count, judge, key=entry.key, headers=entry.headers)


def _keys(events: Sequence[HostileEvent]) -> set[str]:
    return {key for entry in events if isinstance(entry.expected, tuple) for _, key in entry.expected}


def _stored(site: Site, key: str, picture: bytes) -> bool:
    """Whether S3 takes an object of this name; where it does not, nobody can have uploaded one."""
    try:
        site.upload(key, picture)
        site.s3.client.head_object(Bucket=site.bucket, Key=key)
    except (ClientError, BotoCoreError):
        return False
    return True


def _event_judge(
    expected: tuple[tuple[str, str], ...] | str, stored: dict[str, bool]
) -> Callable[[Answers], str | None]:
    def judge(got: Answers) -> str | None:
        said = [a if isinstance(a, str) else (a.image.bucket, a.image.key) for a in got]
        if isinstance(expected, str):
            return None if said == [expected] else f"{said} instead of {expected}"
        if len(said) != len(expected):
            return f"{said} instead of {expected}"
        for answer, named in zip(said, expected, strict=True):
            if answer != named and not (answer in ABSENT and not stored[named[1]]):
                return f"{answer} instead of {named}"
        return None

    return judge


def send_answers(answers: Sequence[HostileAnswer], round_: Round) -> None:
    """Checks and scans in turn: a flood of unreadable scans alone would rightly stop the worker."""
    order = sorted(range(len(answers)), key=lambda n: (n * 7919) % len(answers))
    for number in order:
        entry = answers[number]
        data = png(Image.new("RGB", (SIDE_PX, SIDE_PX), color(number)))
        event = {"url": round_.site.upload(f"answer-{number}.png", data)}
        round_.send(entry.name, json.dumps(event).encode(), 1, _answer_judge(entry))


def _answer_judge(entry: HostileAnswer) -> Callable[[Answers], str | None]:
    def judge(got: Answers) -> str | None:
        if len(got) != 1:
            return f"{len(got)} answers"
        (answer,) = got
        if isinstance(answer, str):
            return None if entry.expected is None and (entry.query, answer) == ("scan", "answer_unreadable") else answer
        part = answer.scan if entry.query == "scan" else answer.check
        if entry.expected is None or part is None:
            return None if (entry.expected, part, entry.query) == (None, None, "check") else "read"
        said = part.explanation == entry.expected[2] or "\ud800" in entry.expected[2]
        return None if said and part.verdict == entry.expected[0] else f"{part.verdict}: {part.explanation[:80]!r}"

    return judge
