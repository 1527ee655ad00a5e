from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training.qwen import sizes as qwen_sizes


@pytest.mark.parametrize(("size", "published"), [("3b", 3_754_622_976), ("7b", 8_292_166_656), ("32b", 33_452_718_336)])
def test_parameters_are_as_many_as_are_published(size: str, published: int) -> None:
    assert qwen_sizes.count_parameters(qwen_sizes.load_config(size)) == published


@pytest.mark.parametrize(("size", "shared"), [("3b", 16), ("7b", 4), ("32b", 8)])
def test_heads_of_text_and_vision_are_shared_out_together(size: str, shared: int) -> None:
    assert qwen_sizes.count_shared_heads(qwen_sizes.load_config(size)) == shared


@pytest.mark.parametrize(
    ("size", "gpus", "kib"), [("3b", 1, 36), ("7b", 1, 56), ("32b", 1, 256), ("32b", 4, 64), ("3b", 8, 18)]
)
def test_the_cache_of_a_token_follows_from_the_shape(size: str, gpus: int, kib: int) -> None:
    keys = qwen_sizes.count_keys_per_token(qwen_sizes.load_config(size), gpus)
    assert keys * 2 * 2 == kib * 1024  # keys and values in bfloat16


def test_a_size_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="neither 3b nor 7b nor 32b"):
        qwen_sizes.load_config(str(tmp_path))
