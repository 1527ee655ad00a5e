import math

import pytest
import torch

from training.errors import TrainingFailed
from training.grpo import divergence


def test_the_sum_is_over_tokens_that_both_have() -> None:
    trained = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -1.0, -1.0]])
    sampled = torch.tensor([[-1.5, math.nan, -9.0], [-2.0, -1.0, -9.0]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 0]])
    assert divergence.sum_differences(trained, sampled, mask).tolist() == [1.5, 3.0]


def test_cut_answers_leave_nothing_to_compare() -> None:
    logps = torch.zeros(2, 3)
    assert divergence.sum_differences(logps, logps, torch.zeros(2, 3)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("difference", [0.0, 0.1])
def test_rounding_is_no_divergence(difference: float) -> None:
    divergence.refuse_divergence(difference, "colocate", "")


@pytest.mark.parametrize(
    ("vllm_mode", "remedy"), [("colocate", "requirements/gpu.txt"), ("server", "start the server on the run's start")]
)
@pytest.mark.parametrize("difference", [0.11, 4.876, math.nan])
def test_a_divergence_ends_the_run_with_its_size_and_the_remedy(difference: float, vllm_mode: str, remedy: str) -> None:
    with pytest.raises(TrainingFailed) as failed:
        divergence.refuse_divergence(difference, vllm_mode, "checkpoint-7 stays")
    for words in (f"{difference:.3f} a token", remedy, "--generation transformers", "checkpoint-7 stays"):
        assert words in failed.value.detail
