"""From the log-probabilities of the verdict token to P(generated)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import BadSettings


@dataclass(frozen=True, slots=True)
class VerdictTokens:
    """Where and how a vocabulary spells the verdict: `prefix` is what both answers share before it."""

    prefix: tuple[int, ...]
    real: int
    generated: int

    @classmethod
    def of(cls, encode: Callable[[str], list[int]], answer_start: str) -> "VerdictTokens":
        """Found by encoding whole answers: a bare word may be spelled with other tokens than inside its tag.

        Raises: BadSettings when the answers differ before the verdict or its start is not a prefix of both.
        """
        real = encode(f"{answer_start}real</verdict>")
        generated = encode(f"{answer_start}generated</verdict>")
        position = next((i for i, (a, b) in enumerate(zip(real, generated, strict=False)) if a != b), None)
        if position is None or real[:position] != encode(answer_start):
            raise BadSettings("this tokenizer does not give the two verdicts a first token each right after <verdict>")
        return cls(tuple(real[:position]), real[position], generated[position])

    def p_generated(self, logprob_by_token: dict[int, float]) -> float:
        """Softmax over the two verdict tokens; one that is missing counts as impossible."""
        real = logprob_by_token.get(self.real, -math.inf)
        generated = logprob_by_token.get(self.generated, -math.inf)
        if real == generated == -math.inf:
            return 0.5
        return sigmoid(generated - real)


def sigmoid(x: float) -> float:
    """Overflow-free for any finite or infinite `x`."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def logit(p: float) -> float:
    """Log-odds of `p`, finite also at 0 and 1."""
    clipped = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(clipped / (1 - clipped))
