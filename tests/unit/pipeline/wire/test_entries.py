import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wire.entries import Place, format_index, parse_index

indexes = st.lists(st.integers(0, 9_999_999), max_size=4).map(tuple)
topics = st.text("abcXYZ019._-", min_size=1, max_size=249)


@given(topic=topics, partition=st.integers(0, 2**31), offset=st.integers(0, 2**63 - 1), index=indexes)
def test_a_place_is_read_as_it_was_written(topic: str, partition: int, offset: int, index: tuple[int, ...]) -> None:
    place = Place(topic, partition, offset, index)
    assert Place.parse(str(place)) == place
    assert parse_index(format_index(index)) == index


def test_a_place_is_short_to_read() -> None:
    assert str(Place("images", 3, 42)) == "images/3@42"
    assert str(Place("images", 3, 42, (7, 1))) == "images/3@42#7.1"


@pytest.mark.parametrize(
    "text", ["", "images", "images/3", "images/-3@42", "images/3@42#", "images/3@42#a", "images/3@42#1.", "a b/3@42",
             "images/3@\u0664", "images/3@42\n", "images/3@" + "9" * 20, "images/3@42#1.1.1.1.1"]
)  # fmt: skip
def test_other_text_is_no_place(text: str) -> None:
    assert Place.parse(text) is None
