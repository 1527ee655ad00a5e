import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from training.grpo import colocation
from training.grpo import profiles as grpo_profiles
from training.grpo.colocation import EnginePlan
from training.qwen import sizes

A100_BYTES = 80 * 10**9
PROMPT = 1900  # tokens


def plan(size: str, *, devices: int = 8, gpu_bytes: int = A100_BYTES, **changes: object) -> EnginePlan:
    profile = grpo_profiles.resolve_grpo_profile("production", 1, changes, on_gpu=True).values
    return colocation.plan_engine(sizes.load_config(size), PROMPT, profile, devices=devices, gpu_bytes=gpu_bytes)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(MODEL)


@pytest.mark.parametrize(("size", "spread", "at_once"), [("7b", 1, 42), ("32b", 4, 35)])
def test_production_s_share_of_80_gb_holds_a_model_on_the_fewest_gpus(size: str, spread: int, at_once: int) -> None:
    assert plan(size) == EnginePlan(spread, PROMPT + 512, 0.35, at_once)


def test_longer_prompts_leave_room_for_fewer_at_once() -> None:
    longer = plan("7b", vllm_max_model_len=2 * (PROMPT + 512))
    assert longer.prompts_at_once == plan("7b").prompts_at_once // 2


def test_the_values_of_the_profile_are_taken_where_they_can_work() -> None:
    changes = {"vllm_tensor_parallel_size": 2, "vllm_max_model_len": 4096, "vllm_gpu_memory_utilization": 0.5}
    chosen = plan("7b", **changes)
    assert (chosen.tensor_parallel_size, chosen.max_model_len, chosen.gpu_memory_utilization) == (2, 4096, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vllm_max_model_len": 2411}, "vllm_max_model_len is 2411; the longest prompt and its answer need 2412"),
        ({"vllm_tensor_parallel_size": 3}, "vllm_tensor_parallel_size is 3; it must divide the 8 processes"),
        (
            {"vllm_tensor_parallel_size": 8},
            "and the 4 heads of text and vision: choose one of 1, 2, 4, or 0",
        ),
        ({"vllm_max_model_len": 128_000}, "allow 0.38"),
        ({"vllm_gpu_memory_utilization": 0.05}, "vllm_gpu_memory_utilization is 0.05; .* 3.0, and over 4 GPUs .* 3.9"),
    ],
)
def test_values_that_cannot_work_are_refused_with_those_that_can(change: dict[str, object], message: str) -> None:
    wanted = {"vllm_tensor_parallel_size": 1} if "vllm_max_model_len" in change else {}
    with pytest.raises(BadSettings, match=message):
        plan("7b", **wanted | change)


@pytest.mark.parametrize(("size", "devices", "gpu_gib"), [("32b", 5, 80), ("7b", 7, 40)])
def test_the_heads_of_vision_are_never_cut(size: str, devices: int, gpu_gib: int) -> None:
    """28 and 40 heads of text can be shared by 7 and 5 GPUs, 16 of vision cannot."""
    with pytest.raises(BadSettings, match=r"over 1 GPU they take .*: (allow|use larger GPUs)"):
        plan(size, devices=devices, gpu_bytes=gpu_gib * 2**30)


def test_a_gpu_that_cannot_hold_the_weights_at_all_is_told_so() -> None:
    with pytest.raises(BadSettings, match="use larger GPUs"):
        plan("32b", devices=1, gpu_bytes=A100_BYTES // 2)


def test_the_longest_prompt_has_every_crop_at_its_largest(tokenizer: PreTrainedTokenizerFast) -> None:
    tiny = Checkpoint.read(MODEL).card
    larger = tiny.model_copy(update={"max_crops": tiny.max_crops + 1})
    pads = tiny.crop_max_pixels // 28**2
    counted = [colocation.count_longest_prompt(tokenizer, card) for card in (tiny, larger)]
    assert counted[1] - counted[0] > pads
    assert counted[0] > tiny.scan_max_pixels // 28**2 + tiny.max_crops * pads
    assert colocation.count_longest_prompt(tokenizer, CheckpointCard()) > 334 + 8 * 144


def test_a_plan_says_what_it_takes() -> None:
    assert str(EnginePlan(4, 2412, 0.35, 45)) == (
        "weights spread over 4 GPUs, 35% of its memory, room for 45 prompts of the longest kind at once (2,412 tokens "
        "with the answer)"
    )
