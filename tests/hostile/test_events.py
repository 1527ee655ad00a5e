"""Every hostile event through the function that reads records."""

import pytest

from pipeline.errors import BucketForbidden, MalformedEvent
from pipeline.wire.events import parse_event
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
    assert answer(record) == entry.expected


def answer(record: RawRecord) -> tuple[tuple[str, str], ...] | str:
    try:
        return tuple((e.image.bucket, e.image.key) for e in parse_event(record, GROUND.addressing))
    except (MalformedEvent, BucketForbidden) as error:
        return error.code
