"""Seeded mutations of the corpus for the two parsers: whatever the bytes, only their own errors come out."""

# ruff: noqa: E501 - tables are read line by line

import random
import re
from collections.abc import Callable
from functools import cache

from pipeline import parse
from pipeline.errors import AnswerUnreadable
from pipeline.wire.entries import ImageEvent
from pipeline.wire.events import parse_record
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from tests.hostile.addresses import Ground
from tests.hostile.corpus import answers, events
from training.common.parallel import run_parallel

GROUND = Ground()
SHORT = 2000
PROCESSES = 2
STRINGS_A_JOB = 5000  # a fraction of a second
REPORTED_STRINGS = 100_000
PIECES = ["<verdict>", "</verdict>", "real", "generated", "<boxes>", "[1,2,3,4]", "</explanation>", "<explanation>", "<", ">",
          "s3://", "http://", "127.0.0.1", "@", "/../", "%2e", "%00", "\\u0000", '"', "{", "}", "[", "]", ":", ",", "\0",
          '"url":', '"Records":', '"specversion":"1.0"', "1e999", "-0", "\ud800", "\u0130"]  # fmt: skip


@cache
def event_texts(ground: Ground) -> list[str]:
    values = (entry.value for entry in events(ground) if entry.value is not None)
    return [value.decode(errors="surrogateescape") for value in values if len(value) <= SHORT]


@cache
def answer_texts() -> list[str]:
    return [entry.text for entry in answers() if len(entry.text) <= SHORT]


def mutated(text: str, other: str, rng: random.Random) -> str:
    """`text` after one to four cuts, doublings, splices with `other` and insertions."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 12))
        middle = rng.choice(
            ("", text[start:end] * 2, rng.choice(PIECES), chr(rng.randint(0, 0x2FFF)), other[start:end])
        )
        text = text[:start] + middle + text[end:]
    return text


def event_surprise(text: str, addressing: Addressing) -> str | None:
    """What is wrong with how a record of this text is read; None when nothing is."""
    record = RawRecord("images", 0, 0, 0, None, text.encode(errors="surrogatepass"))
    try:
        entries = parse_record(record, addressing)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__name__}: {error}"
    for image in (entry.image for entry in entries if isinstance(entry, ImageEvent)):
        if image.bucket not in addressing.buckets or {".", ".."} & set(re.split(r"[/\\]", image.key)):
            return f"asks for {image.bucket!r}/{image.key!r}"
        if not 1 <= len(image.key.encode()) <= 1024:
            return f"asks for a key of {len(image.key)} letters"
    return None


def answer_surprise(text: str, *, truncated: bool) -> str | None:
    """What is wrong with how an answer of this text is read; None when nothing is."""
    for read in (parse.parse_global_scan, parse.parse_local_check):
        try:
            verdict, *_, explanation = read(text, truncated=truncated)
        except AnswerUnreadable:
            continue
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return f"{type(error).__name__}: {error}"
        opening = text.partition("</")[0].lower().replace("<verdict>", "").strip()
        if opening != verdict or "<" in str(explanation):
            return f"reads {verdict} and {str(explanation)[:80]!r}"
    return None


def hunt(count: int, *, seed: int, say: Callable[[str], None]) -> list[str]:
    """The surprises among `count` mutated strings, half for each parser, over two processes."""
    said_every = max(1, REPORTED_STRINGS // STRINGS_A_JOB)

    def after_each(done: int) -> None:
        if done % said_every == 0 or done == len(jobs):
            say(f"{min(count, done * STRINGS_A_JOB)} of {count} mutated strings")

    starts = range(0, count, STRINGS_A_JOB)
    jobs = [(f"{seed}/{start}", min(STRINGS_A_JOB, count - start)) for start in starts]
    found = run_parallel(look, jobs, PROCESSES, after_each=after_each)
    return [surprise for surprises in found for surprise in surprises]


def look(job: tuple[str, int]) -> list[str]:
    """The surprises among so many strings of this seed."""
    seed, count = job
    rng = random.Random(seed)
    records, said, found = event_texts(GROUND), answer_texts(), []
    for number in range(count):
        pool = said if number % 2 else records
        text = mutated(rng.choice(pool), rng.choice(pool), rng)
        problem = (
            answer_surprise(text, truncated=rng.random() < 0.5)
            if number % 2
            else event_surprise(text, GROUND.addressing)
        )
        if problem:
            found.append(f"{text[:300]!r} of seed {seed}: {problem}")
    return found
