"""Provides Qwen's real vocabulary, from its vendor's package, and a checkpoint directory with it."""

import importlib.util
import shutil
from functools import cache
from pathlib import Path

from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
"""in the order of their ids, from 151643 on"""


def find_vocabulary() -> Path:
    spec = importlib.util.find_spec("dashscope")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "resources/qwen.tiktoken"


def copy_with_qwen_vocabulary(checkpoint: Path, directory: Path) -> Path:
    """Copy `checkpoint` without its weights and replace its vocabulary: prompts can be rendered, not answered."""
    shutil.copytree(checkpoint, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    _build_tokenizer().save_pretrained(directory)
    return directory


@cache
def _build_tokenizer() -> PreTrainedTokenizerFast:
    converter = TikTokenConverter(vocab_file=str(find_vocabulary()), pattern=WORDS, extra_special_tokens=SPECIALS)
    return PreTrainedTokenizerFast(
        tokenizer_object=converter.converted(), eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
