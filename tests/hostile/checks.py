"""Checks of the answers to one entry of the corpus: each returns what is wrong, or None. Pure."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from kafka.consumer.fetcher import ConsumerRecord

from pipeline.checkpoint import CheckpointCard
from pipeline.local_image import LocalImage
from pipeline.verdict import RgbImage, Status
from pipeline.wire.messages import VerdictEvent, ZoomRegion
from pipeline.zoomin import inspect
from tests.hostile.entries import HostileAnswer, HostileEvent, HostileImage, Picture
from tests.support.engines import DigestEngine

Place = tuple[int, int]
"""partition and offset in the input topic"""
ABSENT = ("image_missing", "image_denied")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: `headers` are its own, `value` and `key` the record's."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def build(cls, record: ConsumerRecord) -> "Letter":
        return cls(record.key, record.value, tuple(record.headers))

    def get_header(self, name: str) -> str:
        """Return the header `zoomin-dlt-{name}`, empty where there is none."""
        return dict(self.headers).get(f"zoomin-dlt-{name}", b"").decode(errors="replace")

    @property
    def place(self) -> Place:
        return int(self.get_header("partition")), int(self.get_header("offset"))


AnswerRecord = VerdictEvent | Letter
Check = Callable[[Sequence[AnswerRecord]], str | None]
"""From the answers to one record to what is wrong with them, None when nothing is."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the broker took, its reason, and the check of its answers. `kind`: images, events, answers."""

    kind: str
    name: str
    reason: str
    key: bytes | None
    value: bytes | None
    check: Check

    def find_problem(self, got: Sequence[AnswerRecord]) -> str | None:
        problems = (_find_letter_problem(self, answer) for answer in got if isinstance(answer, Letter))
        return next((problem for problem in problems if problem), None) or self.check(got)


def list_outcomes(got: Sequence[AnswerRecord]) -> list[str]:
    """Return the names under which the answers to a record are counted."""
    named = [answer.get_header("code") if isinstance(answer, Letter) else f"verdict, {answer.status}" for answer in got]
    return named or ["no answer: ignored"]


def check_image(entry: HostileImage, card: CheckpointCard, *, ended_by: str = "") -> Check:
    """`ended_by` is to be read in the detail of its dead letter."""

    def check(got: Sequence[AnswerRecord]) -> str | None:
        if len(got) != 1:
            return f"{len(got)} answers"
        (answer,) = got
        if isinstance(answer, Letter):
            code, detail = answer.get_header("code"), answer.get_header("detail")
            return None if code in entry.expected_codes and ended_by in detail else f"{code}: {detail}"
        if not isinstance(entry.expected, Picture):
            return None if "picture" in entry.expected_codes else f"judged as {answer.image.format}"
        return _find_difference(answer, entry.content, entry.expected, card)

    return check


def check_event(entry: HostileEvent, stored: AbstractSet[str]) -> Check:
    """`stored` are the keys that S3 took: no one can have uploaded the others, so these are missing."""
    expected = entry.expected

    def check(got: Sequence[AnswerRecord]) -> str | None:
        answers = (s.get_header("code") if isinstance(s, Letter) else (s.image.bucket, s.image.key) for s in got)
        named = _sort_answers(answers)
        expected_items = _sort_answers([expected] if isinstance(expected, str) else expected)
        if len(named) != len(expected_items):
            return f"{named} instead of {expected_items}"
        for found, expected_item in zip(named, expected_items, strict=True):
            absent = not isinstance(expected_item, str) and expected_item[1] not in stored and found in ABSENT
            if found != expected_item and not absent:
                return f"{found} instead of {expected_item}"
        return None

    return check


def _sort_answers(answers: Iterable[tuple[str, str] | str]) -> list[tuple[str, str] | str]:
    """Sort objects before codes: the answers to one record come from two topics and from any of their partitions."""
    return sorted(answers, key=lambda answer: (isinstance(answer, str), answer))


def check_answer(entry: HostileAnswer) -> Check:
    def check(got: Sequence[AnswerRecord]) -> str | None:
        if len(got) != 1:
            return f"{len(got)} answers"
        (answer,) = got
        if isinstance(answer, Letter):
            refused = entry.expected is None and (entry.query, answer.get_header("code")) == (
                "scan",
                "answer_unreadable",
            )
            return None if refused else f"{answer.get_header('code')}: {answer.get_header('detail')}"
        if entry.expected is None:
            degraded = entry.query == "check" and answer.status is Status.DEGRADED
            return None if degraded else f"read as {answer.verdict}"
        return _find_misreading(answer, entry)

    return check


def _find_letter_problem(sent: Sent, letter: Letter) -> str | None:
    names = [name for name, _ in letter.headers if name.startswith("zoomin-")]
    if len(set(names)) != len(names):
        return f"headers of ours stand there twice: {sorted(names)}"
    whole = (letter.key, letter.value) == (sent.key, sent.value)
    return None if whole or letter.get_header("value") == "omitted" else "the dead letter is not the record"


def _find_misreading(answer: VerdictEvent, entry: HostileAnswer) -> str | None:
    assert entry.expected is not None
    verdict, _, explanation = entry.expected
    part = answer.scan if entry.query == "scan" else answer.check
    if part is None:
        return "degraded"
    width, height = answer.image.width_px, answer.image.height_px
    outside = [region.box for region in answer.scan.regions if not _is_within(region, width, height)]
    if outside:
        return f"regions outside of the image: {outside[:3]}"
    got = part.verdict.value, part.explanation
    return None if got == (verdict, explanation) else f"read as {got[0]}: {got[1][:80]!r}"


def _is_within(region: ZoomRegion, width: int, height: int) -> bool:
    x1, y1, x2, y2 = region.box
    return 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height


def _find_difference(answer: VerdictEvent, content: bytes, expected: Picture, card: CheckpointCard) -> str | None:
    """The bytes are named, the size is that of the upright image, and so are the pixels that the engine saw."""
    pixels, image = expected.pixels.convert("RGB"), answer.image
    got = (image.width_px, image.height_px), image.format, image.frames
    if got != (pixels.size, expected.format, expected.frames):
        return f"{got} instead of {(pixels.size, expected.format, expected.frames)}"
    if (image.sha256, image.bytes) != (hashlib.sha256(content).hexdigest(), len(content)):
        return "its sha256 or its length is that of another file"
    if expected.tolerance != 0:
        return None
    inspection = asyncio.run(inspect(LocalImage(RgbImage(pixels, expected.format)), DigestEngine(card)))
    crops = [crop.image.sha256 for crop in inspection.crops]
    judged = [region.crop_sha256 for region in answer.scan.regions if region.zoomed]
    same = crops == judged and answer.scan.explanation.startswith(inspection.scan.explanation)
    return None if same else "other pixels were judged"
