import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from training.grpo import profiles as grpo_profiles
from training.grpo.sampler import SamplerPlan, plan_sampler
from training.qwen import tokens

GPU_BYTES = 80 * 10**9


def plan(generation: str, gpu_bytes: int | None = GPU_BYTES, **changes: object) -> SamplerPlan:
    profile = grpo_profiles.resolve_grpo_profile("tiny", 1, {"generation": generation, **changes}).values
    return plan_sampler(profile, Checkpoint.read(MODEL), devices=2, gpu_bytes=gpu_bytes)


@pytest.mark.parametrize("generation", ["vllm_colocate", "vllm_server"])
def test_vllm_gets_the_same_forbidden_tokens_as_words(generation: str) -> None:
    arguments = plan(generation, server_url="http://127.0.0.1:9").arguments
    assert arguments["use_vllm"] is True
    assert arguments["vllm_mode"] == generation.removeprefix("vllm_")
    assert tokens.IMAGE_PAD in arguments["generation_kwargs"]["bad_words"]
    assert tokens.IM_END not in arguments["generation_kwargs"]["bad_words"]
    words = plan("transformers").arguments["generation_kwargs"]["suppress_tokens"]
    assert len(words) == len(arguments["generation_kwargs"]["bad_words"])


def test_a_colocated_engine_is_as_long_as_the_card_needs() -> None:
    planned = plan("vllm_colocate")
    assert planned.arguments["vllm_max_model_length"] == 406 + 46
    assert planned.arguments["vllm_tensor_parallel_size"] == 1
    assert planned.arguments["vllm_gpu_memory_utilization"] == 0.35
    assert planned.arguments["vllm_enable_sleep_mode"] is True
    assert planned.description.startswith("answers are sampled by vLLM beside the trainer: weights on each GPU, 35%")
    assert planned.description.endswith("(452 tokens with the answer)")


def test_a_server_has_its_own_size() -> None:
    planned = plan("vllm_server", server_url="http://gpu-2:8000")
    assert planned.arguments["vllm_server_base_url"] == "http://gpu-2:8000"
    assert "vllm_max_model_length" not in planned.arguments
    assert planned.description == "answers are sampled by the vLLM server at http://gpu-2:8000"


@pytest.mark.parametrize("generation", ["vllm_colocate", "vllm_server"])
def test_without_a_gpu_vllm_is_refused_before_anything_is_loaded(generation: str) -> None:
    with pytest.raises(BadSettings, match=f"{generation} needs a GPU"):
        plan(generation, None)


def test_transformers_samples_anywhere() -> None:
    assert plan("transformers", None).description == "answers are sampled by transformers"
