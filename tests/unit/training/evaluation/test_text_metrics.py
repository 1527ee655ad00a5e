import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from training.evaluation import text_metrics
from training.evaluation.text_metrics import Order

WORDS = ("crop", "Crop", "shows", "seam", "seams", "natural", "detail", "1:", "checks", "checking", ".", "the")
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
ORDERS: list[Order] = [1, 2]
SETTINGS = {"effective_order": True, "tokenize": "13a", "smooth_method": "exp", "lowercase": True}


@given(sentences, sentences, st.sampled_from(ORDERS))
def test_bleu_is_sacrebleu_s(hypothesis: str, reference: str, order: Order) -> None:
    theirs = BLEU(max_ngram_order=order, **SETTINGS).sentence_score(hypothesis, [reference]).score / 100
    assert text_metrics.bleu(hypothesis, reference, order=order) == pytest.approx(theirs)


@given(sentences, sentences)
def test_rouge_is_rouge_score_s(hypothesis: str, reference: str) -> None:
    theirs = RougeScorer(["rougeL"], use_stemmer=True).score(reference, hypothesis)["rougeL"].fmeasure
    assert text_metrics.rouge_l(hypothesis, reference) == pytest.approx(theirs)


def test_bleu_by_hand() -> None:
    hypothesis, reference = "the seam repeats here", "the seam repeats there"
    # 3 of 4 words and 2 of 3 pairs agree, and the lengths are equal: no penalty.
    assert text_metrics.bleu(hypothesis, reference, order=1) == pytest.approx(3 / 4)
    assert text_metrics.bleu(hypothesis, reference, order=2) == pytest.approx(math.sqrt(3 / 4 * 2 / 3))
    # All of it agrees, and half of what was reference is missing.
    assert text_metrics.bleu("the seam", reference, order=2) == pytest.approx(math.exp(1 - 4 / 2))
    # No pair agrees: exponential smoothing counts half a pair of three.
    assert text_metrics.bleu("there repeats seam the", reference, order=2) == pytest.approx(math.sqrt(1 / 2 * 1 / 3))


def test_rouge_by_hand() -> None:
    # The longest common subsequence by stems is "the seam here" of 4 and of 5 words.
    assert text_metrics.rouge_l("the seams repeat here", "the seam is not here") == pytest.approx(2 * 3 / (4 + 5))


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_scores_within_bounds(hypothesis: str, reference: str) -> None:
    for order in ORDERS:
        bleu = text_metrics.bleu(hypothesis, reference, order=order)
        assert bleu is None or 0 <= bleu <= 1
    rouge = text_metrics.rouge_l(hypothesis, reference)
    assert rouge is None or 0 <= rouge <= 1


@given(sentences)
def test_a_sentence_equals_itself(text: str) -> None:
    assert text_metrics.bleu(text, text, order=1) == pytest.approx(1)
    assert text_metrics.bleu(text, text, order=2) == pytest.approx(1)


@given(sentences, sentences)
def test_rouge_is_symmetric(first: str, second: str) -> None:
    assert text_metrics.rouge_l(first, second) == pytest.approx(text_metrics.rouge_l(second, first))


def test_saying_nothing_earns_nothing_and_no_reference_is_left_out() -> None:
    for hypothesis in ("", " \n", "<boxes></boxes>"):
        assert text_metrics.bleu(hypothesis, "a seam", order=2) == 0.0
        assert text_metrics.rouge_l(hypothesis, "a seam") == 0.0
    assert text_metrics.bleu("a seam", "", order=1) is None
    assert text_metrics.rouge_l("a seam", "<explanation></explanation>") is None


def test_tags_and_boxes_are_no_words() -> None:
    assert text_metrics.strip_tags("<verdict>real</verdict> a seam [1, 20,300,1000] [sic]") == "real  a seam   [sic]"
    tagged, bare = "<explanation>a seam [0,0,20,20]</explanation>", "a seam"
    assert text_metrics.bleu(tagged, bare, order=2) == pytest.approx(1)
    assert text_metrics.bleu("grass [0,0,20,20]", "a seam [0,0,20,20]", order=1) == 0.0
