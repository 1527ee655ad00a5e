from pathlib import Path

import pytest
import torch

from pipeline.errors import BadSettings
from pipeline.vllm.options import EngineOptions
from tests.support.paths import MODEL
from training.common.machine import GIB, Machine
from training.engine.memory import EngineSize, refuse_unfit_engine
from training.qwen import sizes


def build_h100s(count: int) -> Machine:
    return Machine(("H100",) * count, round(79.1 * GIB))


def build_a100s(count: int) -> Machine:
    return Machine(("A100",) * count, round(39.4 * GIB))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("large") / "zoomin-32b"
    sizes.load_config("32b").save_pretrained(directory)
    return directory


def test_32b_fits_one_large_gpu_and_two_small_ones(large: Path) -> None:
    need = EngineSize.read(large).estimate_need(EngineOptions(), 1)
    assert need.weights / GIB == pytest.approx(62.3, abs=0.05)
    assert need.cache / GIB == pytest.approx(1.0, abs=0.01)  # 64 layers x 8 heads x 128 x 2 x 2 bytes x 4,096 tokens
    refuse_unfit_engine(large, EngineOptions(), build_h100s(1))
    refuse_unfit_engine(large, EngineOptions(tensor_parallel_size=4), build_a100s(4))


def test_what_cannot_fit_is_refused_with_the_setting_that_cures_it(large: Path) -> None:
    with pytest.raises(BadSettings, match=r"needs 6.* GiB \(weights 62.3, .*: set ZOOMIN_TRAIN_TENSOR_PARALLEL"):
        refuse_unfit_engine(large, EngineOptions(), build_a100s(4))
    with pytest.raises(BadSettings, match=r"on one GPU, and 0.9 of 39.4 GiB is 35.5: use more or larger GPUs \(1 here"):
        refuse_unfit_engine(large, EngineOptions(), build_a100s(1))


def test_weights_that_were_published_in_float32_take_twice_as_much(tmp_path: Path) -> None:
    config = sizes.load_config("3b")
    config.dtype = torch.float32
    config.save_pretrained(tmp_path)
    size = EngineSize.read(tmp_path)
    assert size.estimate_need(EngineOptions(), 1).weights == size.parameters * 4
    assert size.estimate_need(EngineOptions(dtype="bfloat16"), 1).weights == size.parameters * 2


def test_gpus_that_are_not_there_or_cannot_share_the_heads_are_refused(large: Path) -> None:
    with pytest.raises(BadSettings, match="TENSOR_PARALLEL_SIZE is 4, and there are 2 GPUs here"):
        refuse_unfit_engine(large, EngineOptions(tensor_parallel_size=4), build_h100s(2))
    with pytest.raises(BadSettings, match=r"PARALLEL_SIZE is 3; the attention heads .* can be shared by 1, 2, 4, 8"):
        refuse_unfit_engine(large, EngineOptions(tensor_parallel_size=3), build_h100s(4))


def test_without_a_gpu_the_machine_s_memory_counts(large: Path) -> None:
    with pytest.raises(BadSettings, match=r"zoomin-32b needs 125.6 GiB of memory without a GPU, and there are 16.0"):
        refuse_unfit_engine(large, EngineOptions(), Machine((), 0), 16 * GIB)
    refuse_unfit_engine(MODEL, EngineOptions(), Machine((), 0), 16 * GIB)


@pytest.mark.parametrize("config", ["{}", '{"model_type": "bert"}', "not json"])
def test_another_kind_of_model_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BadSettings, match=r"config\.json is"):
        refuse_unfit_engine(tmp_path, EngineOptions(), Machine((), 0))
