import json
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT
from training.__main__ import main

CONFIG = str(ROOT / "infra" / "nights" / "7b.yaml")


@pytest.fixture(autouse=True)
def _stand_in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the launcher's file is named from there


def test_the_resolved_configuration_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "--config", CONFIG, "--set", "sft.epochs=0.5", "--show"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["sft"]["epochs"], shown["sft"]["rows"], shown["promotion"]) == (0.5, 64, "automatic")


def test_a_dry_run_prints_commands_memory_and_what_is_promoted_where(capsys: pytest.CaptureFixture[str]) -> None:
    machine = ["--gpus", "8", "--gpu-memory-gib", "80", "--host-memory-gib", "1024"]
    assert main(["retrain", "--config", CONFIG, "--dry-run", "--json", *machine]) == 0
    plan = json.loads(capsys.readouterr().out)
    steps = {step["step"]: step for step in plan["steps"]}
    assert plan["gpus"] == 8
    assert steps["fine-tuning"]["peak_bytes"] > 0
    assert steps["gate"]["command"].startswith("zoomin-train gate ")
    assert steps["promotion"]["writes"] == ["s3://zoomin-models/models/zoomin-7b/champion.json"]


def test_a_wrong_value_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["retrain", "--config", CONFIG, "--set", "sft.epoch=1"]) == 2
    assert "did you mean epochs?" in capsys.readouterr().err
    assert main(["retrain", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err
