"""Parses the model's text strictly by the grammar, with one tolerance for truncated answers.

An answer that was cut at the token limit is parsed up to the cut if its verdict is complete.
"""

import re

from pipeline.errors import AnswerUnreadable
from pipeline.verdict import Verdict

Numbers = tuple[int, int, int, int]

_VERDICT = r"\s*<verdict>\s*(?P<verdict>real|generated)\s*</verdict>\s*"
_BOX = r"\[\s*\d{1,6}\s*,\s*\d{1,6}\s*,\s*\d{1,6}\s*,\s*\d{1,6}\s*\]\s*"
_BOXES = rf"<boxes>\s*(?P<boxes>(?:{_BOX})*)</boxes>\s*"
_EXPLANATION = r"<explanation>(?P<explanation>[^<]*)(?P<closed></explanation>\s*)?"
_FLAGS = re.IGNORECASE | re.ASCII  # without ASCII a dotless i is an i, and digits of any script are numbers
_SCAN = re.compile(_VERDICT + _BOXES + _EXPLANATION, _FLAGS)
_CHECK = re.compile(_VERDICT + _EXPLANATION, _FLAGS)
_CUT = re.compile(rf"{_VERDICT}(?:<boxes>\s*(?P<boxes>(?:{_BOX})*)(?:\[[\d\s,]*|</boxes>\s*)?)?", _FLAGS)
_NUMBERS = re.compile(r"\d+", re.ASCII)


def parse_global_scan(text: str, *, truncated: bool = False) -> tuple[Verdict, list[Numbers], str]:
    """Return the verdict, the boxes (in the model's frame, not clipped) and the explanation of Query 1.

    Raises: AnswerUnreadable.
    """
    match = _match(_SCAN, text, truncated)
    numbers = [int(number) for number in _NUMBERS.findall(match["boxes"] or "")]
    boxes = [(numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]) for i in range(0, len(numbers), 4)]
    return Verdict(match["verdict"].lower()), boxes, _read_explanation(match)


def parse_local_check(text: str, *, truncated: bool = False) -> tuple[Verdict, str]:
    """Return the verdict and the explanation of Query 2. Raises: AnswerUnreadable."""
    match = _match(_CHECK, text, truncated)
    return Verdict(match["verdict"].lower()), _read_explanation(match)


def _match(whole: re.Pattern[str], text: str, truncated: bool) -> re.Match[str]:
    match = whole.fullmatch(text)
    if match and match["closed"]:
        return match
    if truncated:
        begin = _drop_cut_tag(text)
        match = whole.fullmatch(begin) or _CUT.fullmatch(begin)
        if match:
            return match
    raise AnswerUnreadable(f"the answer does not follow the grammar: {text[:80]!r}")


def _drop_cut_tag(text: str) -> str:
    """Cut `text` at the first `<` that no `>` follows; `find`, because a regex would take quadratic time."""
    cut = text.find("<", text.rfind(">") + 1)
    return text if cut < 0 else text[:cut]


def _read_explanation(match: re.Match[str]) -> str:
    """Return the explanation as valid UTF-8 text: a lone surrogate becomes a question mark."""
    return (match.groupdict().get("explanation") or "").strip().encode(errors="replace").decode()
