import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.grpo import profiles as grpo_profiles
from training.grpo.profiles import PROFILES, VALUES, GrpoProfile, Stage
from training.runs.profiles import ProfileName
from training.runs.run_file import read_run_file


def test_the_paper_s_profile_has_what_the_paper_gives_and_names_the_rest_as_guesses() -> None:
    resolved = grpo_profiles.resolve_grpo_profile("paper", 1, {})
    record = resolved.to_json()
    assert (resolved.values.learning_rate, resolved.values.generations, resolved.values.iou_mode) == (1e-5, 2, "eq2")
    assert resolved.values.weights == {"format": 1.0, "iou": 1.0}
    assert PROFILES["paper", 2].weights == {"verdict": 1.0, "bleu": 1.0}
    assert {"beta", "temperature", "loss", "steps", "prompts"} < set(record["guessed"])
    assert set(record["given_by_the_paper"]) == set(GrpoProfile.GIVEN)
    names = {*record["given_by_the_paper"], *record["guessed"], *GrpoProfile.OF_THE_MACHINE}
    assert names == {value.name for value in VALUES}


def test_what_was_changed_by_hand_is_no_guess_and_not_the_paper_s() -> None:
    record = grpo_profiles.resolve_grpo_profile("paper", 1, {"learning_rate": 2e-5, "beta": 0.0}).to_json()
    assert record["changed"] == ["beta", "learning_rate"]
    assert record["values"]["learning_rate"] == 2e-5
    assert "learning_rate" not in record["given_by_the_paper"]
    assert not {"beta", "learning_rate"} & set(record["guessed"])
    assert json.loads(json.dumps(record)) == record


def test_only_the_paper_s_profile_rewards_equation_2_as_written() -> None:
    assert {profile.iou_mode for (name, _), profile in PROFILES.items() if name != "paper"} == {"f1"}


@pytest.mark.parametrize(("name", "stage"), PROFILES)
def test_a_step_fills_whole_batches(name: ProfileName, stage: Stage) -> None:
    profile = PROFILES[name, stage]
    assert profile.answers % profile.micro_batch == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generations": 1}, "generations is 1; it must be 2 or more"),
        ({"steps": 0}, "steps is 0; it must be 1 or more"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"own_boxes_fraction": 1.5}, "own_boxes_fraction is 1.5"),
        ({"micro_batch": 7}, "micro_batch is 7; it must divide prompts"),
        ({"stage_rewards": (("iuo", 1.0),)}, "stage_rewards names iuo; there are format, iou"),
        ({"stage_rewards": ()}, "name at least one"),
        ({"stage_rewards": (("iou", -1.0),)}, "negative"),
        ({"stage_rewards": (("iou", float("nan")),)}, "must be a finite number"),
        ({"vllm_gpu_memory_utilization": 1.0}, "vllm_gpu_memory_utilization is 1.0; it must be less than 1"),
        ({"vllm_tensor_parallel_size": -1}, "vllm_tensor_parallel_size is -1; it must be 0 or more"),
        ({"vllm_max_model_len": -1}, "vllm_max_model_len is -1; it must be 0 or more"),
    ],
)
def test_values_that_cannot_work_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        grpo_profiles.resolve_grpo_profile("paper", 1, change)


@pytest.mark.parametrize(
    ("name", "on_gpu", "change", "generation"),
    [
        ("production", True, {}, "vllm_colocate"),
        ("production", False, {}, "transformers"),
        ("production", True, {"generation": "transformers"}, "transformers"),
        ("production", False, {"generation": "vllm_server"}, "vllm_server"),
        ("paper", True, {}, "transformers"),
        ("tiny", True, {}, "transformers"),
    ],
)
def test_production_samples_by_a_colocated_vllm_where_there_is_a_gpu(
    name: ProfileName, on_gpu: bool, change: dict[str, Any], generation: str
) -> None:
    resolved = grpo_profiles.resolve_grpo_profile(name, 1, change, on_gpu=on_gpu)
    assert resolved.to_json()["values"]["generation"] == generation


def test_a_killed_run_may_go_on_with_another_sampler() -> None:
    samplers = ({"generation": "vllm_colocate"}, {"generation": "transformers"}, {"vllm_tensor_parallel_size": 2})
    assert {name for sampler in samplers for name in sampler} <= set(GrpoProfile.MAY_CHANGE)
    assert set(GrpoProfile.MAY_CHANGE) <= set(GrpoProfile.OF_THE_MACHINE)


def test_rewards_are_typed_as_weights() -> None:
    assert grpo_profiles.parse_weights("format=1,iou=1, verdict=0.25") == (
        ("format", 1.0),
        ("iou", 1.0),
        ("verdict", 0.25),
    )
    with pytest.raises(ValueError, match="could not convert"):
        grpo_profiles.parse_weights("iou")


def test_a_reward_without_weight_is_not_computed() -> None:
    profile = grpo_profiles.resolve_grpo_profile("tiny", 1, {"stage_rewards": (("iou", 1.0), ("format", 0.0))}).values
    assert profile.weights == {"iou": 1.0}


def test_every_value_says_what_it_is() -> None:
    assert all(value.meaning for value in VALUES)
    assert [value.name for value in VALUES] == list(GrpoProfile.model_fields)


def test_only_table_1_s_trainings_leave_crops_or_validation_out() -> None:
    assert {(profile.box_source, profile.kept) for profile in PROFILES.values()} == {("model", "better")}


@pytest.mark.parametrize(("step", "fraction", "rate"), [(0, 0.0, 0.2), (30, 0.5, 0.5), (60, 1.1, 0.0)])
def test_the_learning_rate_ramps_and_falls_to_zero(step: int, fraction: float, rate: float) -> None:
    falling = PROFILES["tiny", 1].change(warm_up_steps=5)
    assert falling.compute_rate(step=step, fraction=fraction) == pytest.approx(rate)
    assert falling.change(schedule="constant").compute_rate(step=60, fraction=1.0) == 1


@pytest.mark.parametrize("stage", [1, 2])
def test_the_example_file_holds_production_values(stage: Stage) -> None:
    file = read_run_file(ROOT / "infra" / "training" / f"grpo-{stage}.yaml", ["production"])
    resolved = grpo_profiles.resolve_grpo_profile("production", stage, {}, file, on_gpu=True)
    assert (file.profile, resolved.values) == ("production", PROFILES["production", stage])


def test_a_run_file_writes_rewards_as_a_mapping_or_as_on_the_command_line(tmp_path: Path) -> None:
    for text in ("stage_rewards: {iou: 1, verdict: 0.25}", "stage_rewards: iou=1,verdict=.25"):
        (tmp_path / "run.yaml").write_text(text)
        values = grpo_profiles.resolve_grpo_profile("tiny", 1, {}, read_run_file(tmp_path / "run.yaml")).values
        assert values.weights == {"iou": 1.0, "verdict": 0.25}
