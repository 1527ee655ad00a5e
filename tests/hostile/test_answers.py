"""Every hostile answer through the parser: read as it stands, or unreadable, and never slowly."""

import time

import pytest

from pipeline import parse
from pipeline.errors import AnswerUnreadable
from tests.hostile.corpus import answers
from tests.hostile.entries import HostileAnswer

CORPUS = answers()
AT_MOST_S = 5.0
"""of this thread's own work, collecting everyone's garbage included; a search that tracks back takes minutes"""


def test_the_corpus_is_large_and_says_why() -> None:
    assert len({entry.name for entry in CORPUS}) == len(CORPUS) >= 200
    assert all(entry.reason for entry in CORPUS)


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name.encode("unicode_escape").decode())
def test_an_answer_is_read_as_it_stands_or_not_at_all(entry: HostileAnswer) -> None:
    began = time.thread_time()
    assert read(entry) == entry.expected
    assert time.thread_time() - began < AT_MOST_S


def read(entry: HostileAnswer) -> tuple[str, list[tuple[int, int, int, int]], str] | None:
    try:
        if entry.query == "scan":
            verdict, boxes, explanation = parse.parse_global_scan(entry.text, truncated=entry.truncated)
            return verdict.value, boxes, explanation
        verdict, explanation = parse.parse_local_check(entry.text, truncated=entry.truncated)
    except AnswerUnreadable:
        return None
    return verdict.value, [], explanation
