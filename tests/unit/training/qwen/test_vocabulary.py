import importlib.util

import pytest

from pipeline.errors import BadSettings
from training.qwen import vocabulary
from training.qwen.tokens import IM_END, IMAGE_PAD


def test_special_tokens_have_the_ids_of_the_published_models() -> None:
    tokenizer = vocabulary.build_qwen_tokenizer()
    assert len(tokenizer) == 151657
    assert tokenizer.convert_tokens_to_ids([IM_END, IMAGE_PAD]) == [151645, 151655]
    assert tokenizer.encode("<verdict>real</verdict>") == [27, 423, 8477, 29, 7951, 522, 423, 8477, 29]


def test_a_cut_vocabulary_has_the_first_words_and_every_special_token() -> None:
    tokenizer = vocabulary.build_qwen_tokenizer(300)
    assert len(tokenizer) == 300 + len(vocabulary.SPECIALS)
    assert tokenizer.convert_tokens_to_ids([IM_END, IMAGE_PAD]) == [302, 312]
    assert (
        tokenizer.decode(tokenizer.encode("<verdict>real</verdict> \u00e9\u6f22"))
        == "<verdict>real</verdict> \u00e9\u6f22"
    )


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BadSettings, match="dashscope"):
        vocabulary.find_merges()
