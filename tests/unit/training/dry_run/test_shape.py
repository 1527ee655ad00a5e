from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from training.dry_run.shape import ModelShape, ParameterCount
from training.qwen import sizes
from training.runs import adapters
from training.sft.profiles import resolve_sft_profile


@pytest.mark.parametrize(("size", "published"), [("3b", 3_754_622_976), ("7b", 8_292_166_656), ("32b", 33_452_718_336)])
def test_all_parameters_of_a_published_size_are_counted(size: str, published: int) -> None:
    counted = ModelShape.read(size).count_parameters(resolve_sft_profile("production", {}).values)
    assert counted.all == counted.trained == published
    assert counted.outside + counted.layer < counted.all


def test_adapters_are_counted_where_they_are() -> None:
    model = sizes.build_on_meta(sizes.load_config("7b"))
    assert ParameterCount.from_model(model, 8).trained == 2 * ParameterCount.from_model(model, 4).trained
    assert "proj" in adapters.MODULES


def test_a_checkpoint_has_the_budgets_of_its_card() -> None:
    assert ModelShape.read(str(MODEL)).card.scan_max_pixels < 512 * 512


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="is neither 3b nor 7b nor 32b nor the directory of"):
        ModelShape.read(str(tmp_path))
