import re
from pathlib import Path

import pytest
import yaml

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.gate.demands import DEMANDS
from training.retraining.config import NightConfig, read_night_config, render_config

LEAST = """
labels: s3://labels
base: sets/base
snapshots: s3://sets/night
models: s3://weights/models/zoomin-7b
"""


def read(tmp_path: Path, more: str = "", *overrides: str) -> NightConfig:
    path = tmp_path / "night.yaml"
    path.write_text(LEAST + more)
    return read_night_config(path, overrides)


@pytest.mark.parametrize("path", sorted((ROOT / "infra" / "nights").glob("*.yaml")), ids=lambda path: path.name)
def test_the_files_of_this_repository_can_be_read(path: Path) -> None:
    config = read_night_config(path)
    assert yaml.safe_load(render_config(config))["models"] == config.models


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    config = read(
        tmp_path, "sft: {epochs: 3.0}\n", "sft.epochs=0.5", "stages=[sft]", "calibrate.count=40", "snapshot.least=4"
    )
    assert config.resolve_training("sft").values.epochs == 0.5
    assert (config.stages, config.calibrate.count, config.snapshot.least) == (("sft",), 40, 4)


def test_the_resolved_configuration_names_every_value_and_can_be_read_again(tmp_path: Path) -> None:
    config = read(tmp_path, "report_to: mlflow\nsft: {profile: tiny, rows: 48}\ngate: {profile: demo}\nstages: [sft]\n")
    rendered = yaml.safe_load(render_config(config))
    assert rendered["sft"]["rows"] == 48
    assert rendered["sft"]["micro_batch"] == 24, "of the profile"
    assert rendered["gate"]["latency_factor"] == DEMANDS["demo"].latency_factor
    assert "grpo_1" not in rendered
    path = tmp_path / "resolved.yaml"
    path.write_text(render_config(config))
    assert render_config(read_night_config(path)) == render_config(config)


def test_report_to_reaches_every_training(tmp_path: Path) -> None:
    config = read(tmp_path, "report_to: tensorboard\ngrpo_2: {report_to: wandb}\n")
    reporters = [config.resolve_training(stage).values.report_to for stage in config.stages]
    assert reporters == ["tensorboard", "tensorboard", "wandb"]


@pytest.mark.parametrize(
    ("more", "override", "sentence"),
    [
        ("least_labels: 3\n", "", "least_labels is not a value of this run; did you mean least_new_labels"),
        ("sft: {epoch: 3}\n", "", r"sft: .*epoch is not a value of this run; did you mean epochs"),
        ("grpo_1: {generations: 1}\n", "", "grpo_1: .*generations is 1; it must be 2 or more"),
        ("gate: {golden_may_fall: 3}\n", "", "gate: .*golden_may_fall is 3; it must be 1 or less"),
        ("gate: {waive: {golden: ''}}\n", "", "gate: .*golden has no reason"),
        ("stages: [grpo_1, sft]\n", "", "name some of sft, grpo_1, grpo_2, in this order"),
        ("stages: []\n", "", "name some of sft, grpo_1, grpo_2, in this order"),
        ("start: base\n", "", "start is base, and base_model names no checkpoint"),
        ("promotion: never\n", "", "promotion is never"),
        ("", "models=s3://weights/zoomin", "is no model of a registry"),
        ("", f"models=s3://w/models/m/revisions/sha256-{'0' * 64}", "a single revision"),
        ("", "sft", "names no value; write name=value"),
        ("", "labels.bucket=x", "which has no values inside"),
    ],
)
def test_a_wrong_value_is_named_before_anything_starts(more: str, override: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        read(tmp_path, more, *filter(None, [override]))
    assert re.search(sentence, refused.value.detail)
