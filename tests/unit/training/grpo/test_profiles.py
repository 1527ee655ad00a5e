import json
from typing import Any

import pytest

from pipeline.errors import BadSettings
from training.grpo import profiles as grpo_profiles
from training.grpo.profiles import PROFILES, VALUES, Name, Profile, Stage


def test_the_paper_s_profile_has_what_the_paper_gives_and_names_the_rest_as_guesses() -> None:
    resolved = grpo_profiles.resolve("paper", 1, {})
    said = resolved.as_json()
    assert (resolved.values.learning_rate, resolved.values.generations, resolved.values.iou_mode) == (1e-5, 2, "eq2")
    assert resolved.values.weights == {"format": 1.0, "iou": 1.0}
    assert PROFILES["paper", 2].weights == {"verdict": 1.0, "bleu": 1.0}
    assert {"beta", "temperature", "loss", "steps", "prompts"} < set(said["guessed"])
    assert set(said["given_by_the_paper"]) == set(grpo_profiles.GIVEN)
    told = {*said["given_by_the_paper"], *said["guessed"], *grpo_profiles.OF_THE_MACHINE}
    assert told == {value.name for value in VALUES}


def test_what_was_changed_by_hand_is_no_guess_and_not_the_paper_s() -> None:
    said = grpo_profiles.resolve("paper", 1, {"learning_rate": 2e-5, "beta": 0.0}).as_json()
    assert said["changed"] == ["beta", "learning_rate"]
    assert said["values"]["learning_rate"] == 2e-5
    assert "learning_rate" not in said["given_by_the_paper"]
    assert not {"beta", "learning_rate"} & set(said["guessed"])
    assert json.loads(json.dumps(said)) == said


def test_only_the_paper_s_profile_rewards_equation_2_as_written() -> None:
    assert {profile.iou_mode for (name, _), profile in PROFILES.items() if name != "paper"} == {"f1"}


@pytest.mark.parametrize(("name", "stage"), PROFILES)
def test_a_step_fills_whole_batches(name: Name, stage: Stage) -> None:
    profile = PROFILES[name, stage]
    assert profile.answers % profile.micro_batch == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"generations": 1}, "generations is 1"),
        ({"steps": 0}, "steps is 0; it must be 1 or more"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"own_boxes_fraction": 1.5}, "own_boxes_fraction is 1.5"),
        ({"micro_batch": 7}, "micro_batch is 7; it must divide prompts"),
        ({"stage_rewards": (("iuo", 1.0),)}, "stage_rewards names iuo; there are format, iou"),
        ({"stage_rewards": ()}, "name at least one"),
        ({"stage_rewards": (("iou", -1.0),)}, "negative"),
        ({"stage_rewards": (("iou", float("nan")),)}, "negative"),
    ],
)
def test_values_that_cannot_work_are_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        grpo_profiles.resolve("paper", 1, change)


def test_rewards_are_typed_as_weights() -> None:
    assert grpo_profiles.weights("format=1,iou=1, verdict=0.25") == (("format", 1.0), ("iou", 1.0), ("verdict", 0.25))
    with pytest.raises(ValueError, match="could not convert"):
        grpo_profiles.weights("iou")


def test_a_reward_without_weight_is_not_computed() -> None:
    profile = grpo_profiles.resolve("tiny", 1, {"stage_rewards": (("iou", 1.0), ("format", 0.0))}).values
    assert profile.weights == {"iou": 1.0}


def test_every_value_says_what_it_is() -> None:
    assert all(value.meaning for value in VALUES)
    assert [value.name for value in VALUES] == list(Profile.__dataclass_fields__)


def test_only_table_1_s_trainings_leave_crops_or_validation_out() -> None:
    assert {(profile.box_source, profile.kept) for profile in PROFILES.values()} == {("model", "best")}
