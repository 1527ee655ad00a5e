import json
from pathlib import Path

import pytest

from tests.bench.plan import PARTS
from tests.bench.run.keys import KEYS
from tests.bench.run.report import Report

CONTRACT = (
    "worker_over_engine",
    "worker_over_gpu_pace_30",
    "worker_over_gpu_pace_60",
    "two_fronts_over_one",
    "reuse_over_no_reuse_c16",
    "two_over_one_c1",
    "two_over_one_c16",
    "worker_over_plain",
    "own_events_per_s",
    "own_cpu_ms_per_event",
    "own_cpu_ms_12mp",
    "events_per_s_12mp",
    "own_cpu_ms_48mp",
    "decode_ms_jpeg_12mp_over_pillow",
    "decode_ms_png_2mp_over_pillow",
    "worker_over_server_client",
    "worker_over_offline_batch",
    "recovery_s_384",
    "rss_growth",
)


def test_all_parts_together_report_what_other_programs_read(tmp_path: Path) -> None:
    report = Report()
    for key in CONTRACT:
        report.add(key, [1.0, 3.0, 2.0])
    report.write(tmp_path / "bench.json", machine={"cores": 2}, parts=PARTS)
    written = json.loads((tmp_path / "bench.json").read_text())
    for key in CONTRACT:
        assert written[key] == {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3}
    assert written["machine"] == {"cores": 2}


@pytest.mark.parametrize("part", KEYS)
def test_a_part_that_does_not_report_its_keys_ends_the_run(part: str, tmp_path: Path) -> None:
    assert part in PARTS
    with pytest.raises(AssertionError, match=KEYS[part][-1]):
        Report().write(tmp_path / "bench.json", machine={}, parts=[part])
