"""How close an explanation is to its reference: BLEU-n and ROUGE-L, as metric and as reward the same function.

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
    """BLEU of one sentence against one other, in [0, 1]; None where the reference is empty: there is nothing to say.

    Source: equation 4 with order 2.
    """
    said, wanted = plain(hypothesis), plain(reference)
    if not wanted:
        return None
    # Rounding makes an equal sentence's score a little more than 100.
    return min(1.0, _BLEU[order].sentence_score(said, [wanted]).score / 100) if said else 0.0


def rouge_l(hypothesis: str, reference: str) -> float | None:
    """F-measure over the longest common subsequence of stems, in [0, 1]; None where the reference is empty."""
    said, wanted = plain(hypothesis), plain(reference)
    if not wanted:
        return None
    return float(_ROUGE.score(wanted, said)["rougeL"].fmeasure) if said else 0.0


def plain(text: str) -> str:
    """`text` without tags and boxes: numbers that happen to agree are no explanation."""
    return _TAGS_AND_BOXES.sub(" ", text).strip()
