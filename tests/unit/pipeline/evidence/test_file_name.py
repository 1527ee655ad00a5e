import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evidence.file_name import build_file_name


@given(st.text())
def test_any_event_id_becomes_a_plain_file_name(event_id):
    name = build_file_name(event_id)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name)
    assert len(name) <= 120


@pytest.mark.parametrize("event_id", ["0b8f6ec0-52c1-5f1c-9d0b-6d1f1c2a9b10", "order_17.a"])
def test_plain_ids_stay_as_they_are(event_id):
    assert build_file_name(event_id) == event_id


def test_ids_that_only_differ_in_odd_letters_do_not_meet():
    assert len({build_file_name(event_id) for event_id in ["a/b", "a?b", "a_b", "../a_b", ".a_b"]}) == 5
