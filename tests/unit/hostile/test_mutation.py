import random

import pytest

from pipeline import parse
from pipeline.verdict import Verdict
from pipeline.wire.events import ImageEvent, ImageRef
from tests.hostile import mutation
from tests.hostile.mutation import GROUND, answer_surprise, event_surprise, look, mutated


def test_a_seed_names_its_strings() -> None:
    def strings(seed: str) -> list[str]:
        rng = random.Random(seed)
        return [mutated("<verdict>real</verdict>", "[1,2,3,4]", rng) for _ in range(50)]

    assert strings("1/0") == strings("1/0") != strings("1/5000")


def test_a_job_finds_nothing_in_sound_parsers() -> None:
    assert look(("1/0", 500)) == []


def test_another_error_is_a_surprise(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(text: str, *, truncated: bool) -> tuple[Verdict, str]:
        raise IndexError(text)

    monkeypatch.setattr(parse, "parse_local_check", careless)
    assert answer_surprise("x", truncated=False) == "IndexError: x"
    assert len(look(("1/0", 20))) == 10


def test_another_verdict_than_the_first_is_a_surprise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "parse_local_check", lambda _text, truncated: (Verdict.REAL, "why"))
    assert "reads real" in str(answer_surprise("<verdict>generated</verdict>", truncated=False))


@pytest.mark.parametrize(
    ("bucket", "key"), [("secret", "a"), ("photos", "a/../b"), ("photos", ""), ("photos", "a" * 1025)]
)
def test_what_may_not_be_asked_for_is_a_surprise(bucket: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ImageEvent("id", ImageRef(bucket, key))
    monkeypatch.setattr(mutation, "parse_record", lambda _record, _addressing: [named])
    assert str(event_surprise("x", GROUND.addressing)).startswith("asks for")
