from datetime import UTC, datetime

import pytest

from pipeline.wire.record_time import CLOCK_SKEW_S, find_record_time, read_record_time
from tests.support.verdicts import build_verdict

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize("written_s", [1_400_000_000.0, NOW_S, NOW_S + CLOCK_SKEW_S])
def test_a_time_since_the_first_kafka_is_read(written_s: float) -> None:
    assert read_record_time(int(written_s * 1000), now_s=NOW_S) == written_s


@pytest.mark.parametrize(
    "timestamp_ms",
    [
        pytest.param(-1, id="absent"),
        pytest.param(1_700_000_000, id="seconds"),
        pytest.param(1_700_000_000_000_000, id="microseconds"),
        pytest.param(1_700_003_600_000, id="an hour ahead"),
        pytest.param(-(2**63), id="least"),
    ],
)
def test_what_cannot_be_the_time_of_writing_is_none(timestamp_ms: int) -> None:
    assert read_record_time(timestamp_ms, now_s=NOW_S) is None


@pytest.mark.parametrize(
    ("timestamp_ms", "hour"), [(1_767_229_200_000, 1), (1_767_229_200, 2), (-1, 2), (10**15, 2)], ids=str
)
def test_a_record_without_a_possible_time_has_that_of_its_verdict(timestamp_ms: int, hour: int) -> None:
    event = build_verdict(timestamp_ms=timestamp_ms, decided_at=datetime(2026, 1, 1, 2, tzinfo=UTC))
    assert find_record_time(event) == datetime(2026, 1, 1, hour, tzinfo=UTC)
