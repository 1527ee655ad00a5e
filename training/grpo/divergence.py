"""The difference between the sampler's log-probabilities and the trainer's, which shows whether both see the same.

The same weights and prompts differ by rounding, some hundredths in bfloat16. A larger difference means that the sampler
answers other prompts or has other weights: TRL's importance sampling then masks most answers, and nothing is learned.
"""

import torch

from training.errors import TrainingFailed

MOST_DIFFERENCE = 0.1
"""in log-probability, mean over all tokens of a batch"""
_REMEDIES = {
    "colocate": "install the versions that requirements/gpu.txt pins",
    "server": "start the server on the run's start, with the flags of docs/how-to/train-a-model.md",
}


def sum_differences(trained: torch.Tensor, sampled: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the sum of the absolute differences and the number of compared tokens.

    Tokens that the sampler has no log-probability for (NaN) are left out, and so are masked ones.
    Shapes: [answers, tokens] each; returns [2].
    """
    compared = mask.bool() & ~sampled.isnan()
    differences = (trained - sampled).abs()[compared]
    return torch.stack([differences.double().sum(), compared.sum().double()])


def refuse_divergence(difference: float, vllm_mode: str, remaining: str) -> None:
    """Raise when the mean difference is more than rounding; `remaining` says what stays on disk.

    Raises: TrainingFailed.
    """
    if difference <= MOST_DIFFERENCE:
        return
    raise TrainingFailed(
        f"vLLM ({vllm_mode}) gives its own answers other log-probabilities than the trainer does, by {difference:.3f} "
        f"a token where rounding makes up to {MOST_DIFFERENCE:g}: it sees other prompts or weights than those that are "
        f"trained, and the run would learn nothing; {_REMEDIES[vllm_mode]}, or take --generation transformers; "
        f"{remaining}"
    )
