import math

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tiktoken.load import load_tiktoken_bpe

from pipeline.confidence import VerdictTokens, logit, sigmoid
from pipeline.errors import BadSettings
from pipeline.prompts import ANSWER_START
from training.qwen.vocabulary import WORDS, find_merges


@pytest.fixture(scope="module")
def qwen() -> tiktoken.Encoding:
    ranks = load_tiktoken_bpe(str(find_merges()))
    return tiktoken.Encoding("qwen", pat_str=WORDS, mergeable_ranks=ranks, special_tokens={})


def test_verdict_tokens_of_the_real_vocabulary(qwen: tiktoken.Encoding) -> None:
    tokens = VerdictTokens.find(qwen.encode, ANSWER_START)
    assert (tokens.real, tokens.generated) == (7951, 16187)
    assert qwen.decode(list(tokens.prefix)) == ANSWER_START
    assert (qwen.decode([tokens.real]), qwen.decode([tokens.generated])) == ("real", "generated")


def test_verdict_tokens_of_letters() -> None:
    tokens = VerdictTokens.find(lambda text: [ord(letter) for letter in text], ANSWER_START)
    assert tokens == VerdictTokens(tuple(ANSWER_START.encode()), ord("r"), ord("g"))


def test_a_vocabulary_that_joins_tag_and_verdict_is_refused() -> None:
    def encode(text: str) -> list[int]:
        return [ord(letter) for letter in text.replace(">r", "\u00e4").replace(">g", "\u00f6")]

    with pytest.raises(BadSettings, match="tokenizer"):
        VerdictTokens.find(encode, ANSWER_START)


def test_a_vocabulary_that_does_not_tell_the_verdicts_apart_is_refused() -> None:
    with pytest.raises(BadSettings, match="tokenizer"):
        VerdictTokens.find(lambda text: [0], ANSWER_START)


TOKENS = VerdictTokens((), 1, 2)


@given(real=st.floats(-50, 0), generated=st.floats(-50, 0), shift=st.floats(-50, 0))
def test_p_generated_is_the_softmax_of_the_two(real: float, generated: float, shift: float) -> None:
    p = TOKENS.compute_p_generated({1: real, 2: generated, 3: -0.1})
    assert p == pytest.approx(math.exp(generated) / (math.exp(real) + math.exp(generated)))
    assert p == pytest.approx(TOKENS.compute_p_generated({1: real + shift, 2: generated + shift}))


@pytest.mark.parametrize(
    ("logprobs", "p"),
    [({1: -0.5}, 0.0), ({2: -9.0}, 1.0), ({}, 0.5), ({1: -math.inf, 2: -math.inf}, 0.5), ({1: -1.0, 2: -1.0}, 0.5)],
)
def test_a_missing_verdict_is_impossible(logprobs: dict[int, float], p: float) -> None:
    assert TOKENS.compute_p_generated(logprobs) == p


@given(p=st.floats(1e-8, 1 - 1e-8))
def test_logit_and_sigmoid_undo_each_other(p: float) -> None:
    assert sigmoid(logit(p)) == pytest.approx(p)


@given(x=st.floats(allow_nan=False))
def test_sigmoid_never_overflows(x: float) -> None:
    assert 0 <= sigmoid(x) <= 1
    assert math.isfinite(logit(sigmoid(x)))
