from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from pipeline.errors import BadSettings
from training.runs import profiles
from training.runs.profiles import Amount, Count, Fraction, ProfileField, ProfileName, TrainingProfile
from training.sft import profiles as sft_profiles


class SmallProfile(TrainingProfile):
    GIVEN: ClassVar = ("rate", "steps")
    OF_THE_MACHINE: ClassVar = ("micro_batch", "save_every", "report_to")
    rate: Amount = Field(default=1e-4, description="largest learning rate")
    steps: Count = Field(default=3, description="optimizer steps")
    mixed_fraction: Fraction = Field(default=0.5, description="share of the other rows")
    rewards: tuple[tuple[str, float], ...] = Field(default=(("iou", 1.0),), description="weights")


SMALL = SmallProfile(
    trained="all",
    learning_rate=2e-6,
    lora_rank=4,
    lora_alpha=8,
    lora_dropout_fraction=0.0,
    dtype="float32",
    micro_batch=2,
    save_every=5,
)


def resolve(name: ProfileName = "paper", **changes: Any) -> profiles.ResolvedProfile[SmallProfile]:
    return profiles.resolve_profile(name, SMALL, changes)


def test_values_at_their_bounds_work() -> None:
    assert resolve(rate=0.0, mixed_fraction=1.0, steps=1).values.steps == 1


def test_each_value_out_of_bounds_is_named_with_its_bound() -> None:
    with pytest.raises(BadSettings) as refused:
        resolve(rate=float("nan"), steps=0, mixed_fraction=1.5)
    assert refused.value.detail.split("; ") == [
        *("rate is nan", "it must be a finite number", "steps is 0", "it must be 1 or more"),
        *("mixed_fraction is 1.5", "it must be 1 or less"),
    ]


def test_bfloat16_is_for_weights_that_stay_as_they_are() -> None:
    with pytest.raises(BadSettings, match="with all parameters in training use float32"):
        resolve(dtype="bfloat16")
    assert resolve(dtype="bfloat16", trained="lora").values.dtype == "bfloat16"


def test_adapters_learn_at_ten_times_the_rate_unless_it_is_changed_too() -> None:
    def rate(name: ProfileName, **changes: Any) -> float:
        return resolve(name, **changes).values.learning_rate

    assert rate("production", trained="lora") == pytest.approx(2e-5)
    assert rate("production", trained="lora", learning_rate=3e-6) == 3e-6
    assert (rate("production"), rate("tiny", trained="lora")) == (2e-6, 2e-6)


def test_a_rate_that_adapters_change_is_not_the_paper_s() -> None:
    recorded = sft_profiles.resolve_sft_profile("paper", {"trained": "lora"}).to_json()
    assert recorded["values"]["learning_rate"] == pytest.approx(2e-4)
    assert "learning_rate" not in recorded["given_by_the_paper"]
    assert {"learning_rate", "dtype"} <= {*recorded["guessed"]}


def test_fields_are_listed_in_their_order_with_their_types() -> None:
    fields = {field.name: field for field in profiles.list_fields(SmallProfile)}
    assert list(fields) == list(SmallProfile.model_fields)
    assert fields["rate"] == ProfileField("rate", float, "largest learning rate")
    assert fields["trained"].kind == Literal["all", "lora"]
    assert (fields["trained"].choices, fields["steps"].choices) == (("all", "lora"), ())


def test_the_record_tells_given_guessed_and_changed_apart() -> None:
    record = resolve(steps=4).to_json()
    assert (record["profile"], record["values"]["steps"], record["values"]["rewards"]) == ("paper", 4, {"iou": 1.0})
    assert record["given_by_the_paper"] == ["rate"]
    assert record["changed"] == ["steps"]
    assert {"mixed_fraction", "rewards", "trained", "dtype"} < set(record["guessed"])
    assert not {"micro_batch", "save_every", "rate", "steps"} & set(record["guessed"])


def test_the_reporter_is_no_part_of_the_record() -> None:
    reported = resolve(report_to="wandb")
    assert reported.values.report_to == "wandb"
    assert reported.to_json() == resolve().to_json()


def test_adapters_stand_on_weights_of_half_the_size_unless_the_dtype_is_changed_too() -> None:
    def dtype(name: ProfileName, **changes: str) -> str:
        return resolve(name, **changes).values.dtype

    assert dtype("production", trained="lora") == "bfloat16"
    assert dtype("production", trained="lora", dtype="float32") == "float32"
    assert (dtype("production"), dtype("tiny", trained="lora")) == ("float32", "float32")
