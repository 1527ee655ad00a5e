from pipeline.errors import MalformedEvent
from pipeline.wire.entries import ImageEvent, ImageRef, RefusedEntry
from tests.support.builders import build_record
from worker.event_share import EventShare

HALF = EventShare(0.5, b"salt")


def test_an_event_is_held_at_every_redelivery_wherever_it_lies() -> None:
    for number in range(50):
        event = ImageEvent(f"event-{number}", ImageRef("photos", "a"))
        records = [build_record(b"", offset=offset) for offset in (1, 2)]
        assert len({HALF.holds(event, record) for record in records}) == 1


def test_entries_without_an_id_are_drawn_by_their_places() -> None:
    refused = [RefusedEntry(MalformedEvent("broken"), (index,)) for index in range(200)]
    held = [HALF.holds(entry, build_record(b"")) for entry in refused]
    assert 60 < sum(held) < 140
    assert held == [HALF.holds(entry, build_record(b"")) for entry in refused]


def test_the_whole_holds_everything() -> None:
    assert EventShare(1.0, b"").holds(RefusedEntry(MalformedEvent("broken")), build_record(b""))
