from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.vllm.options import Dtype, EngineOptions, choose_dtype, choose_fronts, compute_processor_cache_bytes

GIB = 1 << 30
QWEN_CARD = CheckpointCard()
VIEW_BYTES = 504 * 504 * 3 * 2 * 2  # 36 x 36 patches of 1,176 values in bfloat16
CROP_BYTES = 336 * 336 * 3 * 2 * 2


def compute_bytes(options: EngineOptions, *, dtype: Dtype = "bfloat16", memory_bytes: int = 128 * GIB) -> int:
    return compute_processor_cache_bytes(QWEN_CARD, options, dtype=dtype, memory_bytes=memory_bytes)


def test_the_cache_holds_the_view_and_all_crops_of_every_event_in_flight_of_a_7b() -> None:
    assert (VIEW_BYTES, CROP_BYTES) == (3_048_192, 1_354_752)
    an_event = VIEW_BYTES + QWEN_CARD.max_crops * CROP_BYTES
    size = compute_bytes(EngineOptions(max_in_flight=384))
    assert 384 * an_event <= size <= 1.01 * 384 * an_event, "views of other shapes have up to 512 x 512 pixels"
    assert compute_bytes(EngineOptions(max_in_flight=384), dtype="float32") == 2 * size


def test_the_cache_takes_an_eighth_of_the_memory_at_most() -> None:
    assert compute_bytes(EngineOptions(max_in_flight=384), memory_bytes=8 * GIB) == GIB


def test_a_size_that_is_set_is_taken() -> None:
    assert compute_bytes(EngineOptions(processor_cache_mib=300), memory_bytes=GIB) == 300 << 20


def test_without_reuse_there_is_no_cache() -> None:
    assert compute_bytes(EngineOptions(reuse=False, processor_cache_mib=300)) == 0


@pytest.mark.parametrize(("cores", "fronts"), [(1, 1), (2, 1), (7, 1), (8, 2), (16, 4), (128, 4)])
def test_fronts_follow_the_cores_where_a_gpu_runs_the_model(cores: int, fronts: int) -> None:
    assert choose_fronts(cores, on_cpu=False) == fronts
    assert choose_fronts(cores, on_cpu=True) == 1


@pytest.mark.parametrize(
    ("config", "on_gpu"),
    [
        ('{"dtype": "bfloat16"}', "bfloat16"),
        ('{"dtype": "float32"}', "float32"),
        ('{"torch_dtype": "float32"}', "float32"),
        ('{"dtype": "float16"}', "bfloat16"),
        ("{}", "bfloat16"),
    ],
)
def test_weights_that_were_published_in_float32_are_served_in_it(config: str, on_gpu: Dtype, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    checkpoint = Checkpoint.read(tmp_path)
    assert choose_dtype(checkpoint, on_cpu=False) == on_gpu
    assert choose_dtype(checkpoint, on_cpu=True) == "float32"
