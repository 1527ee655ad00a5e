"""One tokenizer and one small album for all tests of training."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from training import album, vocabulary
from training.album import Page


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return vocabulary.train()


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    return [album.page(seed) for seed in range(12)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("album")
