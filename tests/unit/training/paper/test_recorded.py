import json
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.common.resampling import Metric
from training.paper import recorded, variants
from training.paper.recorded import Recorded

ROW = {
    "commit": "abc",
    "seed": 1,
    "date": "2026-01-01",
    "start": "zoomin-tiny sha256:0",
    "phases": ["GRPO"],
    "figures": {"acc": {"value": 0.7, "low": 0.6, "high": 0.8, "n": 100}},
}


def test_trainings_are_read_with_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / recorded.NAME
    assert recorded.read(file) == {}
    file.write_text(json.dumps({"rows": {"sft": ROW}}))
    kept = recorded.read(file)["sft"]
    assert (kept.commit, kept.seed, kept.date) == ("abc", 1, "2026-01-01")
    assert (kept.figures["acc"].value, kept.figures["acc"].n) == (0.7, 100)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"largest_4": ROW}, "largest_4 is no training of table 1"),
        ({"sft": {**ROW, "figures": {"accuracy": {"value": 1, "n": 1}}}}, "has no figure accuracy"),
        ({"sft": {**ROW, "commit": None}}, r"rows\.sft\.commit"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, rows: dict[str, object], said: str) -> None:
    file = tmp_path / recorded.NAME
    file.write_text(json.dumps({"rows": rows}))
    with pytest.raises(BadSettings, match=said):
        recorded.read(file)


def row(acc: float) -> Recorded:
    figures = {"acc": Metric(acc, acc - 0.1, acc + 0.1, 50), "c_acc": Metric(None, None, None, 0)}
    return Recorded(figures, "abc-dirty", 2, "2026-01-02", "zoomin-tiny sha256:1", ["SFT", "GRPO"])


def test_rows_are_read_as_they_were_written_in_the_table_s_order(tmp_path: Path) -> None:
    file = tmp_path / recorded.NAME
    for name, acc in (("two_turn", 0.75), ("base", 0.5), ("two_turn", 0.875)):
        recorded.write(file, name, row(acc))
    assert recorded.read(file) == {"base": row(0.5), "two_turn": row(0.875)}
    assert list(recorded.read(file)) == ["base", "two_turn"]
    assert list(tmp_path.iterdir()) == [file]


def test_the_file_beside_the_tiny_model_holds_every_row() -> None:
    kept = recorded.read(ROOT / "models" / recorded.NAME)
    assert set(kept) == set(variants.TRAINED)
    assert not [name for name, one in kept.items() if one.commit.endswith("-dirty")]
    assert len({one.start for name, one in kept.items() if name != "base"}) == 1, "they share their start"


def test_a_file_that_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / recorded.NAME
    file.write_text("{")
    with pytest.raises(BadSettings, match="correct it or remove the file"):
        recorded.write(file, "base", row(0.5))
    assert file.read_text() == "{"
