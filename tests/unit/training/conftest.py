"""One tokenizer and one small album for all tests of training."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from tests.support import torch_warnings
from training.synthetic import album
from training.synthetic.album import Page
from training.tiny_model import vocabulary

torch_warnings.import_mkldnn()
torch.set_num_threads(1)  # a model this small only waits for further threads


@pytest.fixture(scope="package", autouse=True)
def one_process() -> Iterator[None]:
    """Draw and train in one process with one thread: with so little work, further ones cost more than they save."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZOOMIN_TRAIN_WORKERS", "1")
        environment.setenv("ZOOMIN_TRAIN_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return vocabulary.train_tokenizer()


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    return [album.build_page(seed) for seed in range(12)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("album")
