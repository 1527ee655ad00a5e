"""Fine-tuning and GRPO in several processes, as far as a CPU allows: two of them over gloo."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from tests.support.paths import MODEL, ROOT
from tests.support.processes.sharded_run import HOLD
from tests.support.processes.warm_processes import WarmProcess, WarmServer
from tests.support.training_runs import TIMEOUT_S, TrainingGround, read_log, write_split_scenes
from training.__main__ import main
from training.dataset.labeled_image import Split
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


def start_two(warm_server: WarmServer, arguments: list[str], *command: str, **environment: str) -> list[WarmProcess]:
    """Start both processes of a run; only the environment tells them apart."""
    port = str(find_free_port())
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    # accelerate would call the CPU cpu:0, which torch.load does not know when a run goes on.
    environment = {"OMP_NUM_THREADS": "1", "ACCELERATE_TORCH_DEVICE": "cpu"} | world | environment
    return [warm_server.start(*command, *arguments, RANK=rank, LOCAL_RANK=rank, **environment) for rank in ("0", "1")]


def kill_when(processes: list[WarmProcess], reached: Callable[[], bool]) -> None:
    try:
        processes[0].wait_until(reached, TIMEOUT_S)
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes to train on, and to validate on so many that two processes get unequal shares."""
    return write_split_scenes(tmp_path_factory.mktemp("scenes"), [Split.TRAIN] * 4 + [Split.VALIDATION] * 3)


@pytest.mark.timeout(1200)
def test_two_processes_shard_save_die_and_go_on_to_what_one_process_learns(
    warm_server: WarmServer, ground: TrainingGround, tmp_path: Path
) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    more = ["--rows", "4", "--epochs", "1"]
    processes = start_two(warm_server, ground.build_arguments(out, *more), *SHARDED, **{HOLD: "3"})
    kill_when(processes, lambda: len(read_log(out / "sft")) == 3)
    shards = sorted((out / "sft" / "checkpoint-2" / "pytorch_model_fsdp_0").glob("*.distcp"))
    whole = (ground.model / "model.safetensors").stat().st_size
    assert len(shards) == 2
    assert all(shard.stat().st_size < 0.7 * whole for shard in shards)

    processes = start_two(warm_server, ground.build_arguments(out, *more), *SHARDED)
    assert [process.wait(TIMEOUT_S) for process in processes] == [0, 0], processes[0].errors
    assert "step 1," not in processes[0].errors
    assert main(ground.build_arguments(alone, *more)) == 0
    logs = [read_log(path / "sft") for path in (out, alone)]
    rows, losses = ([[line[name] for line in log] for log in logs] for name in ("rows", "loss"))
    assert [set(numbers) for numbers in rows[0]] == [set(numbers) for numbers in rows[1]]
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
    warm_server: WarmServer, scenes: Path, tmp_path: Path, command: tuple[str, ...], trained: str
) -> None:
    out = tmp_path / "out"
    steps = ["--steps", "2", "--save-every", "1", "--validate-every", "1", "--warm-up-steps", "1", "--kept", "last"]
    batch = ["--prompts", "2", "--generations", "4", "--micro-batch", "2", "--validation-images", "3"]
    sets = ["--data", str(scenes), "--out", str(out), "--trained", trained, "--learning-rate", "1e-4"]
    arguments = ["grpo", str(SERVED), "--stage", "1", "--profile", "tiny", *sets, *steps, *batch]
    record = out / "grpo"
    kill_when(start_two(warm_server, arguments, *command), (record / "checkpoint-1" / "clock.json").exists)
    assert not (out / "config.json").exists(), "what has not ended is no checkpoint"
    weights = {WHOLE: "adapter_model.safetensors", SHARDED: "pytorch_model_fsdp_0"}
    assert (record / "checkpoint-1" / weights[command]).exists()

    processes = start_two(warm_server, arguments, *command)
    assert [process.wait(TIMEOUT_S) for process in processes] == [0, 0], processes[0].errors
    assert "validation at step 0" not in processes[0].errors, "the start was not validated again"
    assert "tokens/s" in processes[0].output
    assert "step" not in processes[1].output + processes[1].errors, "only the first process prints"
    results = [json.loads(line) for line in (record / "validations.jsonl").read_text().splitlines()]
    assert [result["step"] for result in results] == [0, 1, 2]
    assert all(result["unparsed"] == 0 and result["iou"] > 0.6 for result in results), (
        "sharded weights answer as whole ones"
    )
    lines = read_log(record)
    assert [line["step"] for line in lines] == [1, 2]
    assert all(line["tokens_per_s"] > 0 and line["r_format"] == 1 for line in lines)
    before, after = (load_file(path / "model.safetensors") for path in (SERVED, out))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in changed)
    assert any("embed_tokens" in name for name in changed) == (trained == "all")
