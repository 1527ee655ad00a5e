"""Build Qwen's published vocabulary without a download: its vendor ships the merges in the package dashscope."""

import importlib.util
import itertools
from functools import cache
from pathlib import Path

from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from pipeline.errors import BadSettings
from training.qwen.tokens import END_OF_TEXT, IM_END, IM_START, IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = [
    *(END_OF_TEXT, IM_START, IM_END, "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>"),
    *("<|quad_start|>", "<|quad_end|>", VISION_START, VISION_END, "<|vision_pad|>", IMAGE_PAD, VIDEO_PAD),
]
"""in the order of their ids, from 151643 on"""


class _FirstWords(TikTokenConverter):  # type: ignore[misc]  # transformers has no types
    """Reads the first `words` lines alone: bytes come first, and each merge comes after its two parts."""

    def __init__(self, words: int | None) -> None:
        super().__init__(vocab_file=str(find_merges()), pattern=WORDS, extra_special_tokens=SPECIALS)
        self._words = words

    def load_tiktoken_bpe(self, tiktoken_url: str) -> dict[bytes, int]:
        return dict(itertools.islice(super().load_tiktoken_bpe(tiktoken_url).items(), self._words))


@cache
def build_qwen_tokenizer(words: int | None = None) -> PreTrainedTokenizerFast:
    """Build the tokenizer of Qwen2.5-VL: 151,643 bytes and merges, and the special tokens after them.

    `words` keeps so many of the bytes and merges, the most frequent ones; the ids of the special tokens move down.

    Raises: BadSettings when the package that holds the vocabulary is not installed.
    """
    converter = _FirstWords(words)
    return PreTrainedTokenizerFast(
        tokenizer_object=converter.converted(),
        eos_token=IM_END,
        pad_token=END_OF_TEXT,
        extra_special_tokens={"image_token": IMAGE_PAD, "video_token": VIDEO_PAD},
    )


def find_merges() -> Path:
    """Return the file of the merges. Raises: BadSettings when the package is not installed."""
    package = importlib.util.find_spec("dashscope")
    if package is None or package.origin is None:
        raise BadSettings(
            "Qwen's vocabulary is in the package dashscope, which is not installed; install the extra train"
        )
    return Path(package.origin).parent / "resources/qwen.tiktoken"
