import hashlib

import pytest
from PIL import Image

from pipeline.checkpoint import CheckpointCard
from pipeline.wire.messages import VerdictEvent
from tests.hostile.checks import Letter, Sent, check_answer, check_event, check_image, list_outcomes
from tests.hostile.entries import Expected, HostileAnswer, HostileEvent, HostileImage, Picture
from tests.support.builders import build_noise, encode_image
from tests.support.verdicts import build_verdict

CARD = CheckpointCard()
FILE = encode_image(Image.new("RGB", (28, 28)), "PNG")
IMAGE = HostileImage("black", "why", FILE, Picture(Image.new("RGB", (28, 28)), "png", tolerance=1))


def letter(
    code: str, *, detail: str = "", value: bytes | None = b"v", more: tuple[tuple[str, bytes], ...] = ()
) -> Letter:
    about = {"code": code, "detail": detail, "partition": "1", "offset": "7"}
    return Letter(b"k", value, (*((f"zoomin-dlt-{name}", said.encode()) for name, said in about.items()), *more))


def verdict(*, content: bytes = FILE, size: tuple[int, int] = (28, 28), **how: object) -> VerdictEvent:
    event = build_verdict(size=size, **how)  # type: ignore[arg-type]
    named = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return event.model_copy(update={"image": event.image.model_copy(update=named)})


def test_a_picture_of_the_right_bytes_and_size_is_no_surprise() -> None:
    check = check_image(IMAGE, CARD)
    assert check([verdict()]) is None
    assert check([verdict(size=(28, 29))]) == "((28, 29), 'png', 1) instead of ((28, 28), 'png', 1)"
    assert check([verdict(content=b"other")]) is not None
    assert check([]) == "0 answers"
    assert check([verdict(), verdict()]) == "2 answers"
    assert check([letter("image_refused", detail="none")]) == "image_refused: none"


def test_other_pixels_are_a_surprise() -> None:
    image = HostileImage("noise", "why", FILE, Picture(build_noise(28, 28), "png"))
    assert check_image(image, CARD)([verdict(scan_explanation="The first byte is 999.")]) == "other pixels were judged"


def test_a_refused_image_has_one_of_its_codes_and_the_reason_that_is_asked_for() -> None:
    image = HostileImage("bomb", "why", b"", ("image_too_large", "image_undecodable"))
    assert check_image(image, CARD)([letter("image_too_large")]) is None
    assert check_image(image, CARD, ended_by="took longer")([letter("image_too_large")]) is not None
    assert check_image(image, CARD, ended_by="took longer")([letter("image_undecodable", detail="took longer")]) is None
    assert check_image(image, CARD)([verdict()]) == "judged as png"
    either = HostileImage("either", "why", b"", ("image_undecodable", "picture"))
    assert check_image(either, CARD)([verdict()]) is None


def test_an_event_has_its_objects_or_its_code() -> None:
    def event(expected: Expected) -> HostileEvent:
        return HostileEvent("e", "why", b"", expected)

    here = ("uploads", "a")
    found = build_verdict(key="a")
    assert check_event(event((here,)), {"a"})([found]) is None
    assert check_event(event((here,)), {"a"})([build_verdict(key="b")]) is not None
    assert check_event(event((here,)), {"a"})([letter("image_missing")]) is not None
    assert check_event(event((here,)), set())([letter("image_missing")]) is None
    assert check_event(event(()), set())([]) is None
    assert check_event(event(()), set())([found]) is not None
    assert check_event(event("malformed_event"), set())([letter("malformed_event")]) is None
    assert check_event(event("malformed_event"), set())([letter("bucket_forbidden")]) is not None
    assert check_event(event("malformed_event"), set())([]) is not None
    mixed = event(("bucket_forbidden", here))
    assert check_event(mixed, {"a"})([found, letter("bucket_forbidden")]) is None
    assert check_event(mixed, {"a"})([found]) is not None
    both = event((here, ("uploads", "b")))
    assert check_event(both, {"a", "b"})([build_verdict(key="b"), found]) is None


@pytest.mark.parametrize(
    ("query", "expected", "said", "fine"),
    [
        ("scan", None, letter("answer_unreadable"), True),
        ("check", None, letter("answer_unreadable"), False),
        ("scan", None, letter("internal_fault"), False),
        ("scan", None, build_verdict(), False),
        ("check", None, build_verdict(check=None), True),
        ("scan", ("real", [], "s"), build_verdict(scan="real", scan_explanation="s"), True),
        ("scan", ("generated", [], "s"), build_verdict(scan="real", scan_explanation="s"), False),
        ("scan", ("real", [], "s"), build_verdict(scan="real", zoomed=[(0, 0, 513, 9)], scan_explanation="s"), False),
        ("check", ("real", [], "c"), build_verdict(check="real", check_explanation="c"), True),
        ("check", ("real", [], "c"), build_verdict(check="real", check_explanation="d"), False),
        ("check", ("real", [], "c"), build_verdict(check=None), False),
        ("check", ("real", [], "c"), letter("internal_fault"), False),
    ],
)
def test_an_answer_is_read_as_it_stands(query: str, expected: object, said: VerdictEvent | Letter, fine: bool) -> None:
    entry = HostileAnswer("a", "why", query, "", expected)  # type: ignore[arg-type]
    assert (check_answer(entry)([said]) is None) is fine


def test_a_dead_letter_is_the_record_with_our_headers_once() -> None:
    sent = Sent("events", "e", "why", b"k", b"v", lambda _got: None)
    assert sent.find_problem([letter("malformed_event")]) is None
    assert sent.find_problem([letter("malformed_event", value=b"other")]) == "the dead letter is not the record"
    omitted = letter("malformed_event", value=b"", more=(("zoomin-dlt-value", b"omitted"),))
    assert sent.find_problem([omitted]) is None
    forged = letter("malformed_event", more=(("zoomin-dlt-code", b"image_missing"),))
    assert "twice" in str(sent.find_problem([forged]))


def test_outcomes_are_what_can_be_counted() -> None:
    assert list_outcomes([]) == ["no answer: ignored"]
    assert list_outcomes([build_verdict(check=None), letter("image_missing")]) == ["verdict, degraded", "image_missing"]
    assert letter("x").place == (1, 7)
