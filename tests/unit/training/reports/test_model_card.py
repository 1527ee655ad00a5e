from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from tests.unit.training.reports.test_stages import record
from training.common.resampling import Metric
from training.evaluation import summary
from training.reports import model_card, stages


def test_figures_go_into_both_files_and_leave_the_revision(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 400_000)
    (tmp_path / CARD_NAME).write_text(CheckpointCard(box_frame="thousand").model_dump_json())
    before = Checkpoint.read(tmp_path)
    metric = Metric(0.91234, 0.9, 0.93, 1000)
    metrics = dict.fromkeys(summary.MEANINGS, metric) | {"c_acc": Metric(None, None, None, 0)}
    model_card.write_model_card(before, model_card.Evaluation(metrics, 1000, "vllm 0"))
    after = Checkpoint.read(tmp_path)
    assert after.revision == before.revision
    assert after.card.metrics["acc"] == {"value": 0.9123, "low": 0.9, "high": 0.93, "n": 1000}
    text = (tmp_path / "README.md").read_text()
    assert "| Acc: verdict after Query 2 | 0.912 | 0.900 to 0.930 | 1000 |" in text
    assert "| C-Acc: Acc where it changed | none to judge | | 0 |" in text
    assert "0.2 million parameters" in text
    assert "Phi(d'/2) = 0.788" in text


def test_what_the_stages_added_stays_when_the_figures_are_measured_again(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 400_000)
    measured = model_card.Evaluation(dict.fromkeys(summary.MEANINGS, Metric(0.9, 0.8, 1.0, 10)), 10, "vllm 0")
    model_card.write_model_card(Checkpoint.read(tmp_path), measured)
    assert "What each stage added" not in (tmp_path / "README.md").read_text()
    model_card.write_model_card(Checkpoint.read(tmp_path), measured, record())
    text = (tmp_path / "README.md").read_text()
    assert stages.render_stages(record()) in text
    model_card.write_model_card(Checkpoint.read(tmp_path), measured)
    assert (tmp_path / "README.md").read_text() == text
    assert Checkpoint.read(tmp_path).card.metrics["stages"] == record().model_dump()
