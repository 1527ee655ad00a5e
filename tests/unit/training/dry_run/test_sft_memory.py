import pytest

from training.common.machine import GIB
from training.dry_run import sft_memory
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.sft.profiles import resolve_sft_profile

WHOLE, ONE, SHARDED = Launch(8), Launch(1), Launch(8, "sharded")


@pytest.mark.parametrize(
    ("size", "trained", "launch", "gib"),
    [
        ("7b", "all", ONE, 143.7),
        ("7b", "all", SHARDED, 23.1),
        ("7b", "lora", ONE, 20.2),
        ("32b", "all", SHARDED, 74.8),
        ("32b", "lora", ONE, 73.8),
        ("32b", "lora", SHARDED, 16.5),
    ],
)
def test_published_sizes_take_what_the_guide_says(size: str, trained: str, launch: Launch, gib: float) -> None:
    profile = resolve_sft_profile("production", {"trained": trained}).values
    plan = sft_memory.estimate_sft_memory(ModelShape.read(size), profile, launch)
    assert plan.peak_bytes / GIB == pytest.approx(gib, abs=0.05)


def test_where_validation_decides_each_gpu_also_holds_the_served_model() -> None:
    profile = resolve_sft_profile("production", {"kept": "better"}).values
    plan = sft_memory.estimate_sft_memory(ModelShape.read("7b"), profile, SHARDED)
    assert plan.phases["served"]["weights"] == 8_292_166_656 * 2


def test_larger_micro_batches_take_more_memory() -> None:
    shape = ModelShape.read("3b")
    one, four = (resolve_sft_profile("production", {"trained": "lora", "micro_batch": n}).values for n in (1, 4))
    plans = [sft_memory.estimate_sft_memory(shape, profile, WHOLE).phases["step"] for profile in (one, four)]
    assert plans[1]["activations"] > 3.9 * plans[0]["activations"]
    assert plans[1]["weights"] == plans[0]["weights"]
