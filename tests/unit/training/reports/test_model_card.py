from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from training.common.resampling import Metric
from training.evaluation import summary
from training.reports import model_card
from training.reports.model_card import Evaluation

METRICS = dict.fromkeys(summary.MEANINGS, Metric(0.91234, 0.9, 0.93, 1000)) | {"c_acc": Metric(None, None, None, 0)}
EVALUATION = Evaluation(METRICS, 1000, "images of photographs (sha256:1)", "vllm 0", "models/x --data sets/photographs")


def write_checkpoint(directory: Path, *, shards: int = 1, **card: object) -> Checkpoint:
    (directory / "config.json").write_text("{}")
    for number in range(shards):
        weights = {f"layer.{number}": np.zeros((100, 2000), np.float16)}
        save_file(weights, directory / f"model-{number}-of-{shards}.safetensors")
    (directory / CARD_NAME).write_text(CheckpointCard.model_validate(card).model_dump_json())
    return Checkpoint.read(directory)


def test_metrics_go_into_both_files_and_leave_the_revision(tmp_path: Path) -> None:
    before = write_checkpoint(tmp_path, box_frame="thousand")
    assert model_card.write_model_card(before, EVALUATION)
    after = Checkpoint.read(tmp_path)
    assert after.revision == before.revision
    assert after.card.metrics["acc"] == {"value": 0.9123, "low": 0.9, "high": 0.93, "n": 1000}
    text = (tmp_path / "README.md").read_text()
    assert "| Acc: verdict after Query 2 | 0.912 | 0.900 to 0.930 | 1000 |" in text
    assert "| C-Acc: Acc where it changed | none to judge | | 0 |" in text
    assert "zoomin-train evaluate models/x --data sets/photographs " in text


def test_the_card_tells_facts_of_its_own_checkpoint_and_set(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path, shards=3, scan_max_pixels=512 * 512, max_crops=4, trained_on="sha256:2")
    model_card.write_model_card(checkpoint, EVALUATION)
    text = (tmp_path / "README.md").read_text()
    for fact in (
        *("0.6 million parameters", "262,144 pixels", "up to 4 regions", "sha256:2", "1,000 images of photogr"),
        "90 % confidence on\neach side by itself",
    ):
        assert fact in text
    assert "scenes" not in text
    assert "apache" not in text


def test_parameters_of_all_shards_count(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, shards=2)
    assert model_card.count_parameters(tmp_path) == 400_000
    assert model_card.format_parameters(8_292_200_000) == "8.3 billion"


def test_a_readme_of_somebody_else_stays(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path)
    (tmp_path / "README.md").write_text("# Qwen2.5-VL-7B-Instruct\n")
    assert not model_card.write_model_card(checkpoint, EVALUATION)
    assert (tmp_path / "README.md").read_text() == "# Qwen2.5-VL-7B-Instruct\n"
    assert Checkpoint.read(tmp_path).card.metrics["acc"]["n"] == 1000


def test_measured_again_only_the_section_of_metrics_changes(tmp_path: Path) -> None:
    others = {"stages": {"seed": 0}, "loss": 0.25, "note": "value", "history": [1, 2], "best": None}
    checkpoint = write_checkpoint(tmp_path, metrics={**others, "acc": {"value": 0.5}})
    model_card.write_model_card(checkpoint, EVALUATION)
    readme = tmp_path / "README.md"
    text = readme.read_text().replace("# ", "# My ", 1) + "Written by hand.\n"
    readme.write_text(text)
    again = Evaluation(METRICS, 50, "images of others (sha256:3)", "vllm 1", "models/x --data sets/others")
    assert model_card.write_model_card(Checkpoint.read(tmp_path), again)
    assert readme.read_text() == text.replace(model_card.render_section(EVALUATION), model_card.render_section(again))
    recorded = Checkpoint.read(tmp_path).card.metrics
    assert {name: recorded[name] for name in others} == others, "metrics of other forms stay as they are"
    assert recorded["acc"]["n"] == 1000
