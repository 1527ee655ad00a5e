"""Workarounds of faults that TRL 1.16 has where vLLM samples answers about images.

Each stops to change anything once TRL does it right; tests/integration/training/test_vllm_sampling.py shows each fault.
"""

from itertools import groupby

from trl.generation.vllm_generation import VLLMGeneration

RESET_TIMEOUT_S = 60.0


def collapse_image_runs(token_ids: list[int], image_token: int) -> list[int]:
    """Leave one image token of each run, for a colocated vLLM, whose processor puts as many there as the image has.

    TRL hands it the trainer's ids, in which they are expanded already: expanded again, the features of all images stand
    in the first one's place. A server gets the runs, because TRL sends it the place of each image.
    Source: huggingface/trl#6294.
    """
    kept: list[int] = []
    for token, run in groupby(token_ids):
        kept += [token] if token == image_token else list(run)
    return kept


def forget_image_features(sampler: VLLMGeneration) -> None:
    """Empty vLLM's cache of image features, which TRL leaves as it is when it hands over new weights.

    Source: huggingface/trl#7198.
    """
    if sampler.mode == "colocate":
        sampler.llm.llm_engine.reset_encoder_cache()
    elif sampler.accelerator.is_main_process:
        client = sampler.vllm_client
        client.session.post(f"{client.base_url}/reset_encoder_cache", timeout=RESET_TIMEOUT_S).raise_for_status()
