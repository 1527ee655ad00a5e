"""One tokenizer and one small album for all tests of training."""

import importlib
import warnings
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from training.synthetic import album
from training.synthetic.album import Page
from training.tiny_model import vocabulary

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("torch.utils.mkldnn")  # trl needs it, and torch uses there what torch has deprecated

torch.set_num_threads(1)  # so small a model only waits for more of them


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return vocabulary.train()


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    return [album.page(seed) for seed in range(12)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("album")
