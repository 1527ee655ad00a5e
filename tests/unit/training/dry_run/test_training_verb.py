from typing import Any

import pytest

from training.common.machine import GIB, Gpus
from training.dry_run import training_verb
from training.dry_run.launch import Launch, list_launches
from training.dry_run.shape import ModelShape
from training.dry_run.step import DryStep
from training.runs.profile_choice import ProfileChoice


def plan_sft(size: str, gpus: int, memory_gib: int = 80, host_gib: int = 1024, **changes: Any) -> DryStep:
    machine = Gpus(gpus, memory_gib * GIB, host_gib * GIB)
    words, choice = ["sft", size, "--data", "set", "--out", "out"], ProfileChoice("production", changes)
    verb = training_verb.describe_sft(ModelShape.read(size), words, choice, reads=[size, "set"], out="out")
    return training_verb.plan_training(verb, machine, list_launches(gpus))


def plan_grpo(size: str, gpus: int, launches: list[Launch] | None = None, **changes: Any) -> DryStep:
    machine = Gpus(gpus, 80 * GIB, 1024 * GIB)
    words, choice = ["grpo", size, "--stage", "1", "--out", "out"], ProfileChoice("production", changes)
    verb = training_verb.describe_grpo(ModelShape.read(size), words, choice, 1, machine, reads=[size], out="out")
    return training_verb.plan_training(verb, machine, launches or list_launches(gpus))


def test_all_parameters_of_a_7b_are_sharded_over_eight_gpus() -> None:
    step = plan_sft("7b", 8)
    assert step.refusal is None
    assert step.command_line == (
        "accelerate launch --config_file infra/accelerate/eight_gpus_fsdp2.yaml -m training sft 7b --data set --out out"
    )
    assert step.values["learning_rate"] == 1e-5
    assert "a checkpoint every 100 steps takes 99.5 GB" in str(step.disk)
    assert step.loads == "8.29 billion parameters in float32, sharded over 8 GPUs"


def test_adapters_of_a_7b_are_whole_on_each_gpu() -> None:
    assert "infra/accelerate/eight_gpus.yaml" in plan_sft("7b", 8, trained="lora").command_line


def test_a_7b_on_one_gpu_is_refused_with_the_figures_and_the_command_that_fits() -> None:
    refusal = plan_sft("7b", 1).refusal
    assert refusal is not None
    assert refusal.startswith("sft, on one GPU, needs 143.7 GiB (step: 143.7 = weights 30.9 + gradients 30.9")
    assert "may take 76.0 of 80.0" in refusal
    assert refusal.endswith(
        "this fits with 20.2 GiB on each GPU and 65.8 GiB of the machine: zoomin-train sft 7b --data set --out out "
        "--lora"
    )


def test_a_machine_that_cannot_load_eight_times_is_refused_with_what_fits_and_the_memory_that_would_do() -> None:
    refusal = plan_sft("7b", 8, host_gib=256).refusal
    assert refusal is not None
    assert "needs 279.1 GiB (load: 279.1 = processes 32.0 + weights 247.1) of the machine's memory" in refusal
    assert "may take 243.2 of 256.0" in refusal
    assert refusal.endswith("--data set --out out --lora; unchanged, it fits a machine of 294 GiB")


def test_a_run_without_sharding_is_told_to_shard() -> None:
    refusal = plan_grpo("7b", 8, [Launch(8)]).refusal
    assert refusal is not None
    assert "--config_file infra/accelerate/eight_gpus_fsdp2.yaml -m training grpo 7b --stage 1" in refusal
    assert "--lora" not in refusal


def test_all_parameters_of_a_32b_are_refused_with_adapters_and_a_spread_engine() -> None:
    step = plan_grpo("32b", 8)
    assert step.refusal is not None
    assert "weights spread over 4 GPUs" in step.refusal
    assert step.refusal.endswith("eight_gpus_fsdp2.yaml -m training grpo 32b --stage 1 --out out --lora")


def test_where_nothing_fits_larger_gpus_are_named() -> None:
    refusal = plan_sft("32b", 1, memory_gib=24).refusal
    assert refusal is not None
    assert refusal.endswith(
        "no change makes it fit 1 GPU of 24.0 GiB in a machine of 1024 GiB: use more or larger ones"
    )


def test_rows_that_the_gpus_cannot_share_are_refused_with_a_number_that_they_can() -> None:
    refusal = plan_sft("7b", 6).refusal
    assert refusal == "a step's 64 rows cannot be shared by 6 devices with 1 at once: take --rows 66"


def test_a_server_needs_gpus_besides_those_of_the_plan() -> None:
    step = plan_grpo("32b", 4, generation="vllm_server", trained="lora")
    assert step.refusal is None
    assert [note for note in step.notes if "needs GPUs of its own" in note]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"micro_batch": 64}, "cannot be shared by 8 devices"),
        ({"vllm_gpu_memory_utilization": 0.01}, "vllm_gpu_memory_utilization is 0.01"),
    ],
)
def test_values_that_no_launch_takes_are_refused(changes: dict[str, Any], reason: str) -> None:
    refusal = plan_grpo("7b", 8, **changes).refusal
    assert refusal is not None
    assert reason in refusal
