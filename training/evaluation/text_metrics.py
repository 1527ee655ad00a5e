"""BLEU-n and ROUGE-L between an explanation and its reference; metrics and rewards use the same functions.

Source: paper section 4.1 and equation 4; the settings of both (smoothing, tokenizer, stemmer) are ours, it gives none.
"""

import re
from typing import Literal

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

Order = Literal[1, 2]

_BLEU = {
    order: BLEU(max_ngram_order=order, effective_order=True, tokenize="13a", smooth_method="exp", lowercase=True)
    for order in (1, 2)
}
_ROUGE = RougeScorer(["rougeL"], use_stemmer=True)
_TAGS_AND_BOXES = re.compile(r"<[^<>]*>|\[\s*\d+(?:\s*,\s*\d+){3}\s*\]", re.ASCII)


def bleu(hypothesis: str, reference: str, *, order: Order) -> float | None:
    """Return BLEU of one sentence against one other, in [0, 1]; None where the reference is empty.

    Source: equation 4 with order 2.
    """
    hypothesis, reference = strip_tags(hypothesis), strip_tags(reference)
    if not reference:
        return None
    # Rounding makes an equal sentence's score a little more than 100.
    return min(1.0, _BLEU[order].sentence_score(hypothesis, [reference]).score / 100) if hypothesis else 0.0


def rouge_l(hypothesis: str, reference: str) -> float | None:
    """Return the F-measure over the longest common subsequence of stems, in [0, 1]; None for an empty reference."""
    hypothesis, reference = strip_tags(hypothesis), strip_tags(reference)
    if not reference:
        return None
    return float(_ROUGE.score(reference, hypothesis)["rougeL"].fmeasure) if hypothesis else 0.0


def strip_tags(text: str) -> str:
    """Return `text` without tags and boxes: numbers that agree by chance explain nothing."""
    return _TAGS_AND_BOXES.sub(" ", text).strip()
