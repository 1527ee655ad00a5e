import json
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.common.resampling import Metric
from training.paper import ablation_results, table_1
from training.paper.ablation_results import AblationResult

ROW = {
    "commit": "abc",
    "seed": 1,
    "date": "2026-01-01",
    "start": "zoomin-tiny sha256:0",
    "phases": ["GRPO"],
    "figures": {"acc": {"value": 0.7, "low": 0.6, "high": 0.8, "n": 100}},
}


def test_trainings_are_read_with_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / ablation_results.NAME
    assert ablation_results.read_results(file) == {}
    file.write_text(json.dumps({"rows": {"sft": ROW}}))
    results = ablation_results.read_results(file)["sft"]
    assert (results.commit, results.seed, results.date) == ("abc", 1, "2026-01-01")
    assert (results.figures["acc"].value, results.figures["acc"].n) == (0.7, 100)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"largest_4": ROW}, "largest_4 is no training of table 1"),
        ({"sft": {**ROW, "figures": {"accuracy": {"value": 1, "n": 1}}}}, "has no figure accuracy"),
        ({"sft": {**ROW, "commit": None}}, r"rows\.sft\.commit"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, rows: dict[str, object], message: str) -> None:
    file = tmp_path / ablation_results.NAME
    file.write_text(json.dumps({"rows": rows}))
    with pytest.raises(BadSettings, match=message):
        ablation_results.read_results(file)


def row(acc: float) -> AblationResult:
    figures = {"acc": Metric(acc, acc - 0.1, acc + 0.1, 50), "c_acc": Metric(None, None, None, 0)}
    return AblationResult(figures, "abc-dirty", 2, "2026-01-02", "zoomin-tiny sha256:1", ["SFT", "GRPO"])


def test_rows_are_read_as_they_were_written_in_the_table_s_order(tmp_path: Path) -> None:
    file = tmp_path / ablation_results.NAME
    for name, acc in (("two_turn", 0.75), ("base", 0.5), ("two_turn", 0.875)):
        ablation_results.write_result(file, name, row(acc))
    assert ablation_results.read_results(file) == {"base": row(0.5), "two_turn": row(0.875)}
    assert list(ablation_results.read_results(file)) == ["base", "two_turn"]
    assert list(tmp_path.iterdir()) == [file]


def test_the_file_beside_the_tiny_model_holds_every_row() -> None:
    results = ablation_results.read_results(ROOT / "models" / ablation_results.NAME)
    assert set(results) == set(table_1.ABLATION_ROWS)
    assert not [name for name, result in results.items() if result.commit.endswith("-dirty")]
    assert len({result.start for name, result in results.items() if name != "base"}) == 1, "they share their start"


def test_a_file_that_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / ablation_results.NAME
    file.write_text("{")
    with pytest.raises(BadSettings, match="correct it or remove the file"):
        ablation_results.write_result(file, "base", row(0.5))
    assert file.read_text() == "{"
