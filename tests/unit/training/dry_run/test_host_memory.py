from typing import Any

import pytest

from training.dry_run import host_memory
from training.dry_run.host_memory import IMAGE_CACHE_BYTES, PROCESS_BYTES
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.grpo.profiles import resolve_grpo_profile
from training.sft.profiles import resolve_sft_profile

ALL = 8_292_166_656
SHARDED, WHOLE, ALONE = Launch(8, "sharded"), Launch(8), Launch(1)


def estimate_sft(launch: Launch, **changes: Any) -> MemoryPlan:
    profile = resolve_sft_profile("production", changes).values
    return host_memory.estimate_sft_host(ModelShape.read("7b"), profile, launch)


def estimate_grpo(launch: Launch, *, has_reference: bool = True, **changes: Any) -> MemoryPlan:
    profile = resolve_grpo_profile("production", 2, changes, on_gpu=True).values
    return host_memory.estimate_grpo_host(ModelShape.read("7b"), profile, 2, launch, has_reference=has_reference)


def test_every_process_loads_the_start_and_its_reference() -> None:
    assert estimate_sft(SHARDED).phases["load"] == {"processes": 8 * PROCESS_BYTES, "weights": 8 * ALL * 4}
    assert estimate_grpo(SHARDED).phases["load"]["weights"] == 8 * 2 * ALL * 4
    assert estimate_grpo(SHARDED, has_reference=False).phases["load"]["weights"] == 8 * ALL * 4


@pytest.mark.parametrize(("launch", "changes"), [(SHARDED, {}), (ALONE, {"trained": "lora"})])
def test_gathered_shards_and_merged_adapters_are_held_in_float32_and_in_the_published_dtype(
    launch: Launch, changes: dict[str, Any]
) -> None:
    publish = estimate_sft(launch, **changes).phases["publish"]
    assert (publish["start"], publish["weights"], publish["cast weights"]) == (2 * ALL, 4 * ALL, 2 * ALL)
    exact = estimate_sft(launch, **changes, publish_dtype="float32").phases["publish"]
    assert exact["cast weights"] == 4 * ALL


def test_whole_weights_stay_on_the_gpu_when_they_are_published() -> None:
    assert set(estimate_sft(WHOLE).phases["publish"]) == {"processes", "start"}


def test_images_of_a_step_are_those_of_all_its_rows() -> None:
    one, two = (estimate_sft(SHARDED, rows=rows).phases["step"]["images"] for rows in (64, 128))
    assert two == 2 * one
    assert estimate_sft(ALONE).phases["step"]["images"] == one


def test_vllm_beside_the_trainer_keeps_images_and_no_weights() -> None:
    colocated, alone = (estimate_grpo(WHOLE, generation=name) for name in ("vllm_colocate", "transformers"))
    assert colocated.phases["step"]["image cache"] == 8 * IMAGE_CACHE_BYTES
    assert "image cache" not in alone.phases["step"]
    assert colocated.phases["load"] == alone.phases["load"]


def test_each_process_serves_the_published_weights_at_the_end() -> None:
    assert estimate_grpo(WHOLE).phases["end"]["published weights"] == 8 * ALL * 2
