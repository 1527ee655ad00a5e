import json
from typing import Any

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.runs.run_file import read_run_file
from training.sft import profiles as sft_profiles
from training.sft.profiles import PROFILES, VALUES, SftProfile


def test_the_paper_s_profile_has_what_the_paper_gives_and_names_the_rest_as_guesses() -> None:
    resolved = sft_profiles.resolve_sft_profile("paper", {})
    record = resolved.to_json()
    assert (resolved.values.learning_rate, resolved.values.trained) == (2e-5, "all")
    assert {"epochs", "rows", "schedule", "weight_decay"} < set(record["guessed"])
    names = {*record["given_by_the_paper"], *record["guessed"], *SftProfile.OF_THE_MACHINE}
    assert names == {value.name for value in VALUES}
    assert not sft_profiles.resolve_sft_profile("tiny", {}).to_json()["given_by_the_paper"]


def test_what_was_changed_by_hand_is_no_guess_and_not_the_paper_s() -> None:
    record = sft_profiles.resolve_sft_profile("paper", {"learning_rate": 1e-4, "epochs": 0.5}).to_json()
    assert record["changed"] == ["epochs", "learning_rate"]
    assert not {"epochs", "learning_rate"} & {*record["guessed"], *record["given_by_the_paper"]}
    assert json.loads(json.dumps(record)) == record


def test_adapters_stand_on_weights_of_half_the_size() -> None:
    assert sft_profiles.resolve_sft_profile("production", {"trained": "lora"}).values.dtype == "bfloat16"
    assert (
        sft_profiles.resolve_sft_profile("production", {"trained": "lora", "dtype": "float32"}).values.dtype
        == "float32"
    )
    assert sft_profiles.resolve_sft_profile("production", {}).values.dtype == "float32"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rows is 0"),
        ({"micro_batch": 5}, "micro_batch is 5; it must divide rows, 32"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"epochs": 0.0}, "epochs is 0"),
        ({"warm_up_fraction": 1.5}, "warm_up_fraction is 1.5"),
        ({"dtype": "bfloat16"}, "use float32"),
        ({"kept": "better", "variant": "one_turn_e"}, "kept is better, which asks both queries.*take kept last"),
    ],
)
def test_values_that_cannot_work_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        sft_profiles.resolve_sft_profile("paper", change)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_learning_rate_ramps_and_never_rises_again(schedule: str) -> None:
    profile = sft_profiles.resolve_sft_profile("production", {"schedule": schedule}).values
    rates = [profile.compute_rate(step, 200) for step in range(201)]
    assert 0 < rates[0] < rates[5] < 1
    assert rates[10] == 1
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(1.0 if schedule == "constant" else profile.last_rate_fraction)


def test_steps_follow_the_size_of_the_set() -> None:
    profile = PROFILES["paper"]
    assert profile.count_steps(40_000) == 2500
    assert profile.count_steps(1) == 1


def test_every_value_says_what_it_is() -> None:
    assert all(value.meaning for value in VALUES)
    assert [value.name for value in VALUES] == list(SftProfile.model_fields)


def test_the_example_file_holds_production_values() -> None:
    file = read_run_file(ROOT / "infra" / "training" / "sft.yaml", ["production"])
    resolved = sft_profiles.resolve_sft_profile("production", {}, file)
    assert (file.profile, resolved.values) == ("production", PROFILES["production"])
