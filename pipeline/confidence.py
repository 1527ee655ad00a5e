"""Computes P(generated) from the log-probabilities of the verdict token."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import BadSettings


@dataclass(frozen=True, slots=True)
class VerdictTokens:
    """The first token of each verdict in one vocabulary; `prefix` are the tokens that both answers share before it."""

    prefix: tuple[int, ...]
    real: int
    generated: int

    @classmethod
    def find(cls, encode: Callable[[str], list[int]], answer_start: str) -> "VerdictTokens":
        """Find the tokens by encoding both whole answers: a bare word may have other tokens than inside its tag.

        Raises: BadSettings if the answers differ before the verdict or `answer_start` is not a prefix of both.
        """
        real = encode(f"{answer_start}real</verdict>")
        generated = encode(f"{answer_start}generated</verdict>")
        position = next((i for i, (a, b) in enumerate(zip(real, generated, strict=False)) if a != b), None)
        if position is None or real[:position] != encode(answer_start):
            raise BadSettings("this tokenizer does not give the two verdicts a first token each right after <verdict>")
        return cls(tuple(real[:position]), real[position], generated[position])

    def compute_p_generated(self, logprob_by_token: dict[int, float]) -> float:
        """Return the softmax over the two verdict tokens: 0 for a missing token, 0.5 if both are missing."""
        real = logprob_by_token.get(self.real, -math.inf)
        generated = logprob_by_token.get(self.generated, -math.inf)
        if real == generated == -math.inf:
            return 0.5
        # The softmax of two logits is the sigmoid of their difference.
        return sigmoid(generated - real)


def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^-x) without overflow, also for an infinite `x`."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def logit(p: float) -> float:
    """Return the log-odds of `p`, finite also at 0 and 1."""
    clipped = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(clipped / (1 - clipped))
