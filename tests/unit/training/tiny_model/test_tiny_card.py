from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from tests.unit.training.reports.test_model_card import EVALUATION, write_checkpoint
from tests.unit.training.reports.test_seed_gains import record
from training.reports import model_card, seed_gains
from training.tiny_model import tiny_card


def test_what_the_stages_added_stays_when_the_metrics_are_measured_again(tmp_path: Path) -> None:
    tiny_card.write_tiny_card(write_checkpoint(tmp_path), EVALUATION, record())
    text = (tmp_path / "README.md").read_text()
    assert seed_gains.render_stages(record()) in text
    assert "Phi(d'/2) = 0.788" in text
    assert "0.2 million parameters" in text
    model_card.write_model_card(Checkpoint.read(tmp_path), EVALUATION)
    assert (tmp_path / "README.md").read_text() == text
    card = Checkpoint.read(tmp_path).card
    assert card.metrics["stages"] == record().model_dump()
    assert card.metrics["acc"]["n"] == 1000


def test_the_shipped_model_s_metrics_can_be_written_again() -> None:
    text = (MODEL / "README.md").read_text()
    assert text.index(model_card.BEGIN) < text.index("| Acc: verdict after Query 2 |") < text.index(model_card.END)
