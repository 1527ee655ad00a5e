"""Every hostile event through the function that reads records."""

import pytest

from pipeline.wire.entries import IgnoredEntry, ImageEvent
from pipeline.wire.events import parse_record
from pipeline.wire.record import RawRecord
from tests.hostile.addresses import Ground
from tests.hostile.corpus import events
from tests.hostile.entries import HostileEvent

GROUND = Ground()
CORPUS = events(GROUND)


def test_the_corpus_is_large_and_says_why() -> None:
    assert len({entry.name for entry in CORPUS}) == len(CORPUS) >= 200
    assert all(entry.reason for entry in CORPUS)


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name[:40].encode("unicode_escape").decode())
def test_an_event_names_our_objects_or_is_refused_with_its_code(entry: HostileEvent) -> None:
    record = RawRecord("images", 0, 0, 0, entry.key, entry.value, entry.headers)
    expected = (entry.expected,) if isinstance(entry.expected, str) else entry.expected
    assert list_answers(record) == expected


def list_answers(record: RawRecord) -> tuple[tuple[str, str] | str, ...]:
    entries = parse_record(record, GROUND.addressing)
    return tuple(
        (entry.image.bucket, entry.image.key) if isinstance(entry, ImageEvent) else entry.error.code
        for entry in entries
        if not isinstance(entry, IgnoredEntry)
    )
