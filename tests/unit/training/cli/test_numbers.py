import argparse

import pytest

from training.cli.numbers import fraction, natural, positive, training_seed


def test_numbers_in_range_pass() -> None:
    assert fraction("0.02") == 0.02
    assert (positive("1"), natural("0"), training_seed("60")) == (1, 0, 60)


@pytest.mark.parametrize(
    ("read", "bad"),
    [
        (positive, "0"),
        (natural, "-1"),
        (training_seed, "61"),
        (training_seed, "-1"),
        (fraction, "0"),
        (fraction, "1"),
        (fraction, "nan"),
    ],
)
def test_numbers_out_of_range_name_the_range(read: object, bad: str) -> None:
    assert callable(read)
    with pytest.raises(argparse.ArgumentTypeError, match=r"must (be|lie)"):
        read(bad)
