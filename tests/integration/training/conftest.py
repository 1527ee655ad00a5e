"""A place, sets and warm processes for real runs of training: one of each per worker of pytest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import torch_warnings
from tests.support.processes.warm_processes import WarmServer
from tests.support.training_runs import TrainingGround, write_split_scenes
from training.dataset.labeled_image import Split

torch_warnings.import_mkldnn()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train with one thread: a model this small only waits for further ones."""
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "1")
    monkeypatch.setenv("ZOOMIN_TRAIN_WORKERS", "1")


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> TrainingGround:
    return TrainingGround.build(tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="session")
def split_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes to train on, and two to validate on."""
    return write_split_scenes(tmp_path_factory.mktemp("set"), [Split.TRAIN] * 4 + [Split.VALIDATION] * 2)


@pytest.fixture(scope="session")
def warm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmServer]:
    with WarmServer(tmp_path_factory.mktemp("processes")) as server:
        yield server
