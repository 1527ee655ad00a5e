from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.vllm.options import EngineOptions
from tests.support.paths import ROOT
from training.common.machine import GIB, Gpus
from training.dry_run.launch import Launch
from training.dry_run.step import DryStep
from training.retraining.annotate import Annotators
from training.retraining.config import read_night_config
from training.retraining.dry_run import parse_launcher, plan_night

GPUS = Gpus(8, 80 * GIB, 1024 * GIB)
NIGHTS = ROOT / "infra" / "nights"


@pytest.fixture(autouse=True)
def _stand_in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the launcher's file is named from there


def plan(name: str, *overrides: str) -> dict[str, DryStep]:
    config = read_night_config(NIGHTS / name, overrides)
    return {step.title: step for step in plan_night(config, Annotators(None, None), GPUS, EngineOptions())}


@pytest.mark.parametrize("name", ["7b.yaml", "32b.yaml"])
def test_the_nights_of_this_repository_fit_eight_gpus(name: str) -> None:
    steps = plan(name)
    assert {title: step.refusal for title, step in steps.items() if step.refusal} == {}
    assert all(step.memory for title, step in steps.items() if "GRPO" in title or title in ("fine-tuning", "gate"))


def test_every_command_is_the_one_that_the_night_runs() -> None:
    steps = plan("7b.yaml", "sft.epochs=0.5", "report_to=wandb")
    line = steps["fine-tuning"].command_line
    assert line.startswith("accelerate launch --config_file infra/accelerate/eight_gpus_fsdp2.yaml -m training sft ")
    assert line.endswith("--seed 0 --profile production --epochs 0.5 --report-to wandb")
    assert steps["GRPO, stage 2"].command[steps["GRPO, stage 2"].command.index("grpo") + 1].endswith("grpo_1")
    assert steps["gate"].command_line.startswith("zoomin-train gate build/nights/NIGHT/challenger/zoomin-7b --champion")


def test_it_says_what_would_be_promoted_where() -> None:
    steps = plan("7b.yaml", "promotion=manual")
    assert steps["promotion"].writes == ["s3://zoomin-models/models/zoomin-7b/champion.json"]
    assert steps["promotion"].notes == ["a person runs this command"]
    assert steps["push"].reads == ["build/nights/NIGHT/challenger/zoomin-7b"]


def test_what_does_not_fit_is_refused() -> None:
    config = read_night_config(NIGHTS / "32b.yaml", ["launch=[]", "sft.trained=all"])
    steps = plan_night(config, Annotators(None, None), Gpus(1, 24 * GIB, 64 * GIB), EngineOptions())
    assert [step.title for step in steps if step.refusal][:1] == ["fine-tuning"]


@pytest.mark.parametrize(
    ("words", "launch"),
    [
        ("", Launch(1)),
        ("accelerate launch --config_file infra/accelerate/eight_gpus_fsdp2.yaml", Launch(8, "sharded")),
        ("accelerate launch --config_file infra/accelerate/eight_gpus_zero3.yaml", Launch(8, "sharded")),
        ("accelerate launch --config_file infra/accelerate/eight_gpus.yaml --num_processes 4", Launch(4)),
        ("accelerate launch --config_file infra/accelerate/one_gpu.yaml", Launch(1)),
    ],
)
def test_a_launcher_is_read_from_its_own_file(words: str, launch: Launch) -> None:
    assert parse_launcher(words.split()) == launch


def test_a_missing_launcher_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"launch: .*gpus\.yaml cannot be read"):
        parse_launcher(["accelerate", "launch", "--config_file", str(tmp_path / "gpus.yaml")])
