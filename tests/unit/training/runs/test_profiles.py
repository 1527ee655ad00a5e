from dataclasses import dataclass
from typing import Annotated, Literal

from training.runs import profiles
from training.runs.profiles import Dtype, Trained, Value, out_of_bounds


@dataclass(frozen=True)
class Profile:
    rate: Annotated[float, "largest learning rate"] = 1e-4
    steps: Annotated[int, "optimizer steps"] = 3
    mixed_fraction: Annotated[float, "share of the other rows"] = 0.5
    rewards: Annotated[tuple[tuple[str, float], ...], "weights"] = (("iou", 1.0),)
    trained: Trained = "all"
    dtype: Dtype = "float32"


def test_values_that_work_are_passed_over() -> None:
    assert list(out_of_bounds(Profile())) == []
    assert list(out_of_bounds(Profile(rate=0.0, mixed_fraction=1.0))) == []


def test_each_value_out_of_bounds_is_named_with_its_bound() -> None:
    assert list(out_of_bounds(Profile(rate=float("nan"), steps=0, mixed_fraction=1.5))) == [
        "rate is nan; it must be 0 or more",
        "steps is 0; it must be 1 or more",
        "mixed_fraction is 1.5; it is a share, at most 1",
    ]


def test_bfloat16_is_for_weights_that_stay_as_they_are() -> None:
    assert "with all parameters in training use float32" in next(out_of_bounds(Profile(dtype="bfloat16")))
    assert list(out_of_bounds(Profile(dtype="bfloat16", trained="lora"))) == []


def test_values_are_named_in_their_order_with_their_types() -> None:
    found = profiles.values_of(Profile)
    assert found[0] == Value("rate", float, "largest learning rate")
    assert [value.name for value in found] == list(Profile.__dataclass_fields__)
    assert found[4].kind == Literal["all", "lora"]
    assert [value.choices for value in found[3:5]] == [(), ("all", "lora")]


def test_the_record_tells_given_guessed_and_changed_apart() -> None:
    said = profiles.resolve("paper", Profile(), {"steps": 4}, given=("rate", "steps"), of_the_machine=("dtype",))
    assert said.as_json() == {
        "profile": "paper",
        "values": {
            "rate": 1e-4,
            "steps": 4,
            "mixed_fraction": 0.5,
            "rewards": {"iou": 1.0},
            "trained": "all",
            "dtype": "float32",
        },
        "given_by_the_paper": ["rate"],
        "guessed": ["mixed_fraction", "rewards", "trained"],
        "changed": ["steps"],
    }


def test_adapters_stand_on_weights_of_half_the_size_where_nothing_else_was_said() -> None:
    def dtype(name: profiles.Name, **changes: str) -> str:
        return profiles.resolve(name, Profile(), changes, given=(), of_the_machine=()).values.dtype

    assert dtype("production", trained="lora") == "bfloat16"
    assert dtype("production", trained="lora", dtype="float32") == "float32"
    assert (dtype("production"), dtype("tiny", trained="lora")) == ("float32", "float32")
