"""Fine-tuning and GRPO in several processes, as far as a CPU allows: two of them over gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from tests.support.paths import MODEL, ROOT
from tests.support.processes.sharded_run import HOLD
from tests.support.training_runs import TIMEOUT_S, TrainingGround, wait_until
from training.__main__ import main
from training.runs.run_log import RunLog
from training.synthetic import scene_files
from worker.local.server import find_free_port

CONFIGURATIONS = ROOT / "infra" / "accelerate"
FSDP2 = CONFIGURATIONS / "eight_gpus_fsdp2.yaml"
WHOLE, SHARDED = ("training",), ("tests.support.processes.sharded_run", str(FSDP2))
SERVED = MODEL


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_every_configuration(path: Path) -> None:
    read = load_config_from_file(str(path))
    assert read.num_processes == (1 if path.stem == "one_gpu" else 8)
    assert str(read.distributed_type).rpartition(".")[2] in ("NO", "MULTI_GPU", "FSDP", "DEEPSPEED")
    assert read.mixed_precision == "bf16"


def test_what_is_sharded_are_the_layers_of_the_model() -> None:
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl

    named = yaml.safe_load(FSDP2.read_text())["fsdp_config"]["fsdp_transformer_layer_cls_to_wrap"].split(",")
    assert len(named) == 2
    assert all(hasattr(modeling_qwen2_5_vl, name) for name in named)


def two_processes(arguments: list[str], *command: str, **more: str) -> list[subprocess.Popen[str]]:
    """`more` is added to their environment."""
    port = str(find_free_port())
    started = []
    for rank in ("0", "1"):
        world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        # accelerate would call the CPU cpu:0, which torch.load does not know when a run goes on.
        quiet = {"ZOOMIN_TRAIN_THREADS": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_TORCH_DEVICE": "cpu"}
        environment = os.environ | world | quiet | more
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        line = [sys.executable, "-m", *command, *arguments]
        started.append(subprocess.Popen(line, env=environment, text=True, **pipes))
    return started


def kill(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


def log(out: Path) -> list[dict[str, Any]]:
    path = out / "sft" / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


@pytest.mark.timeout(1200)
def test_two_processes_shard_save_die_and_go_on_to_what_one_process_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "1")
    ground, out, alone = TrainingGround.build(tmp_path), tmp_path / "out", tmp_path / "alone"
    more = ["--rows", "4", "--epochs", "1"]
    processes = two_processes(ground.build_arguments(out, *more), *SHARDED, **{HOLD: "3"})
    try:
        wait_until(processes[0], lambda: len(log(out)) == 3)
    finally:
        kill(processes)
    shards = sorted((out / "sft" / "checkpoint-2" / "pytorch_model_fsdp_0").glob("*.distcp"))
    whole = (ground.model / "model.safetensors").stat().st_size * 2  # trained in float32, kept in bfloat16
    assert len(shards) == 2
    assert all(shard.stat().st_size < 0.7 * whole for shard in shards)

    processes = two_processes(ground.build_arguments(out, *more), *SHARDED)
    outputs = [process.communicate(timeout=TIMEOUT_S)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "step 1," not in outputs[0]
    assert main(ground.build_arguments(alone, *more)) == 0
    assert [set(line["rows"]) for line in log(out)] == [set(line["rows"]) for line in log(alone)]
    losses = [[line["loss"] for line in log(path)] for path in (out, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    sharded, single = (load_file(path / "model.safetensors") for path in (out, alone))
    assert sharded.keys() == single.keys()
    assert all(torch.allclose(sharded[name].float(), single[name].float(), atol=2e-3) for name in single)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("command", "trained"),
    [(WHOLE, "lora"), (SHARDED, "lora"), (SHARDED, "all")],
    ids=["whole with adapters", "sharded with adapters", "sharded"],
)
def test_two_processes_of_grpo_share_answers_die_and_go_on(
    tmp_path: Path, command: tuple[str, ...], trained: str
) -> None:
    data, out = scene_files.write_scenes(tmp_path / "data", count=4, first_seed=40, workers=1).parent, tmp_path / "out"
    validation = scene_files.write_scenes(tmp_path / "validation", count=3, first_seed=60, workers=1).parent
    steps = ["--steps", "3", "--save-every", "1", "--validate-every", "1", "--warm-up-steps", "1", "--kept", "last"]
    batch = ["--prompts", "2", "--generations", "4", "--micro-batch", "2", "--validation-images", "3"]
    sets = ["--data", str(data), "--validation-data", str(validation), "--out", str(out), "--trained", trained]
    arguments = ["grpo", str(SERVED), "--stage", "1", "--profile", "tiny", "--learning-rate", "1e-4", *sets, *steps]
    record = out / "grpo"
    processes = two_processes([*arguments, *batch], *command)
    try:
        wait_until(processes[0], lambda: (record / "checkpoint-1" / "clock.json").exists())
    finally:
        kill(processes)
    assert not (out / "config.json").exists(), "what has not ended is no checkpoint"
    weights = {WHOLE: "adapter_model.safetensors", SHARDED: "pytorch_model_fsdp_0"}
    assert (record / "checkpoint-1" / weights[command]).exists()

    processes = two_processes([*arguments, *batch], *command)
    outputs = [process.communicate(timeout=TIMEOUT_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "validation at step 0" not in outputs[0][1], "the start was not validated again"
    assert "tokens/s" in outputs[0][0]
    assert "step" not in outputs[1][0] + outputs[1][1], "only the first process prints"
    results = [json.loads(line) for line in (record / "validations.jsonl").read_text().splitlines()]
    assert [result["step"] for result in results] == [0, 1, 2, 3]
    assert all(result["unparsed"] == 0 and result["iou"] > 0.6 for result in results), (
        "sharded weights answer as whole ones"
    )
    lines = RunLog(record / "log.jsonl").read()
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["tokens_per_s"] > 0 and line["r_format"] == 1 for line in lines)
    before, after = (load_file(path / "model.safetensors") for path in (SERVED, out))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in changed)
    assert any("embed_tokens" in name for name in changed) == (trained == "all")
