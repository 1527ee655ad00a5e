import argparse
from pathlib import Path

import pytest

from training.paper.ablation_options import AblationOptions, add_ablation_options
from training.paper.ablations import AblationBudget


def parse(*typed: str) -> AblationOptions:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=Path("model"))
    add_ablation_options(parser)
    return AblationOptions.build(parser.parse_args([*typed]))


def test_without_options_all_missing_rows_start_from_the_model_with_the_profile_s_budget() -> None:
    assert parse("--train") == AblationOptions((), Path("model"), None, None, AblationBudget.build("tiny"), 0)


def test_a_typed_start_and_budget_count() -> None:
    options = parse("--train", "sft", "base", "--start", "tuned", "--steps", "4", "--seed", "3")
    assert (options.rows, options.start, options.seed) == (("sft", "base"), Path("tuned"), 3)
    assert options.budget == AblationBudget.build("tiny", steps=4)


def test_a_row_that_is_no_ablation_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse("--train", "largest_4")
