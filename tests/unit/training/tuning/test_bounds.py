from dataclasses import dataclass

from training.tuning.bounds import out_of_bounds


@dataclass(frozen=True)
class Profile:
    rate: float = 1e-4
    steps: int = 3
    mixed_fraction: float = 0.5
    checkpointing: bool = False


def test_values_that_work_are_passed_over() -> None:
    assert list(out_of_bounds(Profile())) == []
    assert list(out_of_bounds(Profile(rate=0.0, mixed_fraction=1.0))) == []


def test_each_value_out_of_bounds_is_named_with_its_bound() -> None:
    assert list(out_of_bounds(Profile(rate=float("nan"), steps=0, mixed_fraction=1.5))) == [
        "rate is nan; it must be 0 or more",
        "steps is 0; it must be 1 or more",
        "mixed_fraction is 1.5; it is a share, at most 1",
    ]
