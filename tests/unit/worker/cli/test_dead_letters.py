import pytest

from pipeline.wire.record import RawRecord
from worker.cli.dead_letters import DeadLetter, decide_replays, identify


def build_letter(
    event_id="e1",
    *,
    code="image_missing",
    replays=0,
    omitted=False,
    value=b"v",
    headers=(),
    offset=0,
    index="",
    of="",
    timestamp_ms=0,
):
    ours = [("zoomin-schema", b"dead-letter/1"), ("zoomin-dlt-topic", b"images"), ("zoomin-dlt-code", code.encode())]
    ours += [("zoomin-dlt-partition", b"3"), ("zoomin-dlt-offset", b"42")]
    ours += [("zoomin-dlt-index", index.encode())] if index else []
    ours += [("zoomin-replay-of", of.encode())] if of else []
    ours += [("zoomin-event-id", event_id.encode())] if event_id else []
    ours += [("zoomin-replay", str(replays).encode())] if replays else []
    ours += [("zoomin-dlt-value", b"omitted")] if omitted else []
    found = DeadLetter.from_record(RawRecord("images.dlt", 0, offset, timestamp_ms, b"k", value, (*headers, *ours)))
    assert found is not None
    return found


def decide_reasons(*letters, answered=None, replayed=None, **rest):
    decisions = decide_replays(letters, answered=answered or {}, replayed=replayed or {}, **rest)
    return [decision.reason for decision in decisions]


def test_a_letter_knows_where_it_came_from():
    found = build_letter(replays=2)
    assert (found.topic, found.origin, found.code, found.event_id) == ("images", "images/3@42", "image_missing", "e1")
    assert found.replays == 2
    assert build_letter(index="7.1").origin == "images/3@42#7.1"


def test_a_record_without_our_headers_is_no_letter():
    headers = (("content-type", b"text/plain"),)
    assert DeadLetter.from_record(RawRecord("images.dlt", 0, 0, 0, b"k", b"v", headers)) is None


def test_a_replay_carries_the_records_own_headers_and_exactly_three_of_ours():
    found = build_letter(
        replays=1, headers=[("content-type", b"application/cloudevents+json"), ("traceparent", b"00-1")]
    )
    assert found.headers == [
        ("content-type", b"application/cloudevents+json"),
        ("traceparent", b"00-1"),
        ("zoomin-event-id", b"e1"),
        ("zoomin-replay-of", b"images/3@42"),
        ("zoomin-replay", b"2"),
    ]


def test_a_record_that_could_not_be_read_goes_back_without_an_id():
    assert build_letter(None).headers == [("zoomin-replay-of", b"images/3@42"), ("zoomin-replay", b"1")]


@pytest.mark.parametrize(("index", "of"), [("7", ""), ("7", "images/1@9#7"), ("", "images/1@9#7"), ("7", "broken")])
def test_a_replay_names_the_first_place_of_its_entry(index, of):
    first_place = of if of.startswith("images") else "images/3@42#7"
    assert dict(build_letter(index=index, of=of).headers)["zoomin-replay-of"] == first_place.encode()


def test_entries_of_one_record_that_nobody_could_read_are_told_apart():
    first, second = build_letter(None, index="0"), build_letter(None, index="1")
    assert first.identity != second.identity
    replay = RawRecord("images", 0, 9, 0, first.record.key, first.record.value, tuple(first.headers))
    assert identify(replay) == first.identity
    assert decide_reasons(first, second, replayed={identify(replay): 1}) == ["replayed since", None]


def test_a_fresh_letter_is_sent():
    assert decide_reasons(build_letter()) == [None]


def test_an_answered_event_is_not_sent_again():
    assert decide_reasons(build_letter("e1"), build_letter("e2"), answered={"e1": 7}) == ["answered since", None]


def test_a_letter_later_than_the_verdict_is_sent_again_because_a_rejudge_failed():
    assert decide_reasons(build_letter("e1", timestamp_ms=8), answered={"e1": 7}) == [None]


def test_a_letter_is_replayed_once_and_its_replays_letter_again():
    assert decide_reasons(build_letter(), replayed={"e1": 1}) == ["replayed since"]
    assert decide_reasons(build_letter(), build_letter(replays=1), replayed={"e1": 1}) == ["replayed since", None]


def test_the_fifth_replay_is_refused():
    assert decide_reasons(build_letter(replays=3)) == [None]
    assert decide_reasons(build_letter(replays=4)) == ["replayed 4 times"]


def test_repeated_letters_of_one_event_are_sent_once():
    assert decide_reasons(build_letter(offset=0), build_letter(offset=1)) == ["has a later letter", None]


def test_a_letter_without_its_value_cannot_go_back():
    assert decide_reasons(build_letter(omitted=True, value=b"")) == ["value omitted"]


def test_unreadable_records_are_known_by_their_bytes():
    first, same, other = build_letter(None, value=b"x"), build_letter(None, value=b"x"), build_letter(None, value=b"y")
    assert first.identity == same.identity != other.identity
    assert decide_reasons(first, other, replayed={first.identity: 1}) == ["replayed since", None]


def test_the_replay_of_an_unreadable_record_is_found_again():
    found = build_letter(None, value=b"x")
    replay = RawRecord("images", 0, 9, 0, found.record.key, found.record.value, tuple(found.headers))
    assert identify(replay) == found.identity


def test_code_and_limit_narrow():
    letters = [
        build_letter("e1", code="a"),
        build_letter("e2", code="b"),
        build_letter("e3", code="a"),
        build_letter("e4", code="a"),
    ]
    decisions = decide_replays(letters, answered={}, replayed={}, code="a", limit=2)
    assert [(d.letter.event_id, d.reason) for d in decisions] == [("e1", None), ("e3", None), ("e4", "beyond --limit")]


@pytest.mark.parametrize("header", [b"", b"x", b"-1", b"9" * 50, "²".encode()])
def test_a_broken_count_counts_as_none(header):
    broken = RawRecord("t", 0, 0, 0, b"k", b"v", (("zoomin-dlt-topic", b"t"), ("zoomin-dlt-code", b"c")))
    found = DeadLetter.from_record(
        RawRecord("t", 0, 0, 0, b"k", b"v", (*broken.headers, ("zoomin-replay", header))),
    )
    assert found is not None
    assert found.replays == 0
