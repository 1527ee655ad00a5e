import argparse
from pathlib import Path

import pytest
import torch

from training.cli.ablation_options import add_ablation_options, build_ablation_options, read_outside
from training.paper.ablation_rows import AblationOptions
from training.paper.ablations import AblationBudget

ON_GPU = torch.cuda.is_available()


def parse(*typed: str) -> AblationOptions:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=Path("model"))
    add_ablation_options(parser)
    return build_ablation_options(parser.parse_args([*typed]))


def test_without_options_all_missing_rows_start_from_the_model_with_the_profile_s_budget() -> None:
    budget = AblationBudget.build("tiny", on_gpu=ON_GPU)
    assert parse("--train") == AblationOptions((), Path("model"), None, None, budget, 0)


def test_a_typed_start_and_budget_count() -> None:
    options = parse("--train", "sft", "base", "--start", "tuned", "--steps", "4", "--seed", "3")
    assert (options.rows, options.start, options.seed) == (("sft", "base"), Path("tuned"), 3)
    assert options.budget == AblationBudget.build("tiny", steps=4, on_gpu=ON_GPU)


def test_a_row_that_is_no_ablation_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse("--train", "largest_4")


def test_a_row_that_is_recorded_twice_has_its_last_directory() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    add_ablation_options(parser)
    assert read_outside(parser.parse_args([])) == []
    typed = ["--record", "sft", "a", "--record", "base", "b", "--record", "sft", "c"]
    assert read_outside(parser.parse_args(typed)) == [("sft", Path("c")), ("base", Path("b"))]


def test_adapters_are_asked_for_by_one_word() -> None:
    assert parse("--train", "--lora").budget.lora
