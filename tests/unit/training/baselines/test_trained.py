"""A trained baseline is read as it was written, and a broken one is one sentence."""

from pathlib import Path

import pytest
import torch

from pipeline.checkpoint import Scaling
from pipeline.errors import BadSettings
from training.baselines import networks, trained
from training.baselines.run_config import BaselineRun
from training.baselines.trained import TrainedBaseline

CPU = torch.device("cpu")


def build_trained() -> TrainedBaseline:
    run = BaselineRun(kind="npr", backbone="resnet18", seed=2)
    return TrainedBaseline(
        run=run,
        images=4,
        trained_on="sha256:0",
        steps=7,
        seconds=1.5,
        threads=1,
        scaling=Scaling(temperature=2.0),
        commit="abc",
    )


def test_what_is_written_scores_the_same(tmp_path: Path) -> None:
    network = networks.build_network("npr", "resnet18").eval()
    trained.write_baseline(tmp_path, network, build_trained())
    again, read = trained.read_baseline(tmp_path, CPU)
    assert again == build_trained()
    images = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(network(images), read(images))


def test_a_directory_without_one_names_the_command(tmp_path: Path) -> None:
    assert not trained.is_trained(tmp_path)
    with pytest.raises(BadSettings, match=r"no trained baseline in .*zoomin-train baseline npr"):
        trained.read_baseline(tmp_path, CPU)


@pytest.mark.parametrize("name", [trained.NAME, trained.WEIGHTS])
def test_a_broken_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    trained.write_baseline(tmp_path, networks.build_network("npr", "resnet18"), build_trained())
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(BadSettings, match="cannot be read") as refused:
        trained.read_baseline(tmp_path, CPU)
    assert "\n" not in refused.value.detail
