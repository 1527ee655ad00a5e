from typing import Any

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.common.machine import GIB, Gpus
from training.dry_run import grpo_memory
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.grpo import colocation
from training.grpo.profiles import GrpoProfile, resolve_grpo_profile

GUIDE = (ROOT / "docs/how-to/train-a-model.md").read_text()
SHARDED, WHOLE = Launch(8, "sharded"), Launch(8)
GPUS = Gpus(8, 80 * GIB, 1024 * GIB)


def resolve(**changes: Any) -> GrpoProfile:
    return resolve_grpo_profile("production", 1, changes, on_gpu=True).values


def estimate(profile: GrpoProfile, launch: Launch = SHARDED, size: str = "7b") -> MemoryPlan:
    return grpo_memory.estimate_grpo_memory(ModelShape.read(size), profile, 1, launch, GPUS)


def test_the_start_holds_the_whole_model_also_where_it_is_sharded_later() -> None:
    phases = estimate(resolve()).phases
    assert phases["start"]["weights"] == 8_292_166_656 * 2
    assert phases["load"]["weights"] == 8_292_166_656 * 4
    assert phases["step"]["weights"] == 8_292_166_656 * 4 // 8


def test_all_parameters_with_beta_hold_a_reference_and_gather_it_whole() -> None:
    phases = estimate(resolve()).phases
    assert phases["setup"]["reference"] == 8_292_166_656 * 4
    assert phases["reference"]["reference"] == 8_292_166_656 * 4 // 8
    assert phases["reference"]["gathered reference"] == 8_292_166_656 * 2


@pytest.mark.parametrize("changes", [{"beta": 0.0}, {"trained": "lora"}], ids=["without beta", "adapters"])
def test_no_reference_is_held_where_none_is_needed(changes: dict[str, Any]) -> None:
    phases = estimate(resolve(**changes)).phases
    assert "reference" not in phases
    assert not [name for parts in phases.values() for name in parts if "reference" in name]


def test_a_policy_that_is_not_sharded_stays_beside_reference_and_engine() -> None:
    setup = estimate(resolve(), WHOLE).phases["setup"]
    assert setup["weights"] == setup["reference"]
    assert setup["engine"] == int(0.35 * GPUS.memory_bytes)


def test_the_engine_sleeps_but_for_its_start_and_the_answers() -> None:
    phases = estimate(resolve(trained="lora"), size="32b").phases
    assert [name for name, parts in phases.items() if "engine" in parts] == ["setup", "rollout"]
    asleep = colocation.ASLEEP_BYTES
    assert {name: parts["sleeping engine"] for name, parts in phases.items() if "sleeping engine" in parts} == {
        "step": asleep,
        "validation": asleep,
        "end": asleep,
    }


def test_at_the_end_the_model_is_served_again_beside_the_engine() -> None:
    """A run that did not fit there would fail after its last step, and again each time it goes on."""
    phases = estimate(resolve(trained="lora"), size="32b").phases
    assert sum(phases["end"].values()) == sum(phases["start"].values()) + colocation.ASLEEP_BYTES
    alone = estimate(resolve(generation="transformers")).phases
    assert alone["end"] == alone["start"]


def test_without_an_engine_the_trainer_holds_all_answers_of_a_step() -> None:
    one, two = (estimate(resolve(generation="transformers", prompts=n)).phases["rollout"] for n in (32, 64))
    assert "engine" not in one
    assert two["cache"] == 2 * one["cache"]
    assert two["forward"] == 2 * one["forward"]


def test_a_server_holds_the_answers_on_its_own_gpus() -> None:
    phases = estimate(resolve(generation="vllm_server", trained="lora"), Launch(4, "sharded"), "32b").phases
    assert set(phases["rollout"]) == {"weights", "optimizer"}
    assert "setup" not in phases


def test_an_engine_that_cannot_hold_the_model_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"vllm_gpu_memory_utilization is 0\.05"):
        estimate(resolve(vllm_gpu_memory_utilization=0.05), size="32b")
    engine = grpo_memory.plan_engine(ModelShape.read("32b"), resolve(), SHARDED, GPUS)
    assert engine is not None
    assert engine.tensor_parallel_size == 4


@pytest.mark.parametrize(
    ("size", "changes", "launch", "gib"),
    [
        ("7b", {}, SHARDED, (59, 59)),
        ("7b", {"trained": "lora"}, Launch(1), (46, 46)),
        ("7b", {"trained": "lora"}, WHOLE, (46, 46)),
        ("32b", {"trained": "lora"}, SHARDED, (74, 74)),
    ],
)
def test_published_sizes_take_what_the_guide_says(
    size: str, changes: dict[str, Any], launch: Launch, gib: tuple[int, int]
) -> None:
    plans = [
        grpo_memory.estimate_grpo_memory(
            ModelShape.read(size),
            resolve_grpo_profile("production", stage, changes, on_gpu=True).values,
            stage,
            launch,
            GPUS,
        )
        for stage in (1, 2)
    ]
    assert tuple(round(plan.peak_bytes / GIB) for plan in plans) == gib
    assert f"{gib[0]} / {gib[1]}" in GUIDE
