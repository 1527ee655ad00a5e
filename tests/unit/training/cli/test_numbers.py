import argparse

import pytest

from training.cli.numbers import parse_fraction, parse_natural, parse_positive, parse_share, parse_training_seed


def test_numbers_in_range_pass() -> None:
    assert parse_fraction("0.02") == parse_share("0.02") == 0.02
    assert parse_share("0") == 0.0
    assert (parse_positive("1"), parse_natural("0"), parse_training_seed("60")) == (1, 0, 60)


@pytest.mark.parametrize(
    ("read", "bad"),
    [
        (parse_positive, "0"),
        (parse_natural, "-1"),
        (parse_training_seed, "61"),
        (parse_training_seed, "-1"),
        (parse_fraction, "0"),
        (parse_fraction, "1"),
        (parse_fraction, "nan"),
        (parse_share, "1"),
    ],
)
def test_numbers_out_of_range_name_the_range(read: object, bad: str) -> None:
    assert callable(read)
    with pytest.raises(argparse.ArgumentTypeError, match=r"must (be|lie)"):
        read(bad)
