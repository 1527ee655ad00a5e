import json
from dataclasses import replace
from typing import get_args

import pytest

from training.grpo.profiles import PROFILES
from training.paper import ablations, table_1
from training.paper.ablations import ABLATIONS, Ablation, AblationBudget, FineTuningPhase, GrpoPhase
from training.runs.profiles import ProfileName

BUDGET = AblationBudget.build("tiny", steps=33)


def stages(row: str) -> list[GrpoPhase]:
    return [phase for phase in ABLATIONS[row].phases if isinstance(phase, GrpoPhase)]


def rewards(row: str) -> list[set[str]]:
    return [{name for name, _ in phase.rewards} for phase in stages(row)]


def test_every_row_of_table_1_that_is_a_training_has_one() -> None:
    assert set(ABLATIONS) == set(table_1.ABLATION_ROWS)


def test_the_rows_are_what_the_paper_says() -> None:
    assert rewards("two_turn") == [{"format", "iou"}, {"verdict", "bleu"}]
    assert rewards("no_bleu") == [{"format", "iou"}, {"verdict"}]
    assert rewards("dual_verdict") == [{"format", "iou", "verdict"}, {"verdict", "bleu"}]
    assert rewards("one_turn_e") == [{"format", "verdict", "bleu"}]
    assert rewards("one_turn_eg") == [{"format", "iou", "verdict", "bleu"}]
    assert rewards("verdict_only") == [{"verdict"}]
    assert ABLATIONS["base"] == Ablation("one_turn_e"), "the untrained model is a baseline of one turn"
    assert ABLATIONS["sft"] == Ablation("two_turn")


@pytest.mark.parametrize("name", get_args(ProfileName))
def test_all_rows_have_the_same_budget(name: ProfileName) -> None:
    spent = {}
    for row in ABLATIONS:
        values = [ablations.resolve_grpo(phase, AblationBudget.build(name, steps=32)).values for phase in stages(row)]
        spent[row] = sum(profile.steps * profile.answers for profile in values)
        assert all(profile.kept == "last" and profile.scan_fraction == 0 for profile in values)
    trained = {row: answers for row, answers in spent.items() if stages(row)}
    assert len(set(trained.values())) == 1
    assert {row for row, answers in spent.items() if not answers} == {"base", "sft"}


def test_a_budget_that_is_not_said_is_the_profile_s() -> None:
    assert AblationBudget.build("tiny") == AblationBudget("tiny", 92, 16, 8)
    assert AblationBudget.build("tiny", steps=2, prompts=3, generations=4) == AblationBudget("tiny", 2, 3, 4)


def test_one_turn_is_asked_as_it_was_fine_tuned() -> None:
    for row, training in ABLATIONS.items():
        if row == "base":
            continue
        tuned = [phase.variant for phase in training.phases if isinstance(phase, FineTuningPhase)]
        assert tuned == ([] if training.variant == "two_turn" else [training.variant]), row
        for phase in stages(row):
            in_one_turn = training.variant == "one_turn_e"
            assert (phase.box_source == "none") is in_one_turn, row


def test_an_answer_in_one_turn_is_let_go_to_its_words() -> None:
    (phase,) = stages("one_turn_eg")
    assert ablations.resolve_grpo(phase, BUDGET).values.answer_tokens == 100
    assert ablations.resolve_grpo(stages("two_turn")[0], BUDGET).values.answer_tokens == 46


def test_a_phase_may_change_further_values_of_the_profile() -> None:
    phase = replace(stages("two_turn")[0], changes=(("iou_mode", "eq2"), ("answer_tokens", 100)))
    changed = ablations.resolve_grpo(phase, BUDGET).values
    assert (changed.iou_mode, changed.answer_tokens) == ("eq2", 100)
    assert ablations.convert_phase_to_json(phase, BUDGET) != ablations.convert_phase_to_json(
        stages("two_turn")[0], BUDGET
    )


def test_a_row_is_told_in_words() -> None:
    assert ablations.describe_phases(ABLATIONS["verdict_only"], BUDGET) == [
        "SFT in one turn, 1 epoch",
        "GRPO with verdict, 33 steps of 128 answers",
    ]
    assert (
        ablations.describe_phases(ABLATIONS["one_turn_e"], AblationBudget.build("paper"))[0]
        == "SFT in one turn, 2 epochs"
    )


def test_what_decides_a_phase_s_result_is_in_its_record() -> None:
    (phase, _) = ABLATIONS["two_turn"].phases
    first, second = (
        ablations.convert_phase_to_json(phase, AblationBudget.build("tiny", steps=steps)) for steps in (8, 16)
    )
    assert json.loads(json.dumps(first)) == first != second


def test_adapters_are_trained_where_they_are_asked_for_and_are_another_result() -> None:
    lora = AblationBudget.build("production", steps=8, lora=True)
    for phase in ABLATIONS["one_turn_e"].phases:
        resolve = ablations.resolve_fine_tuning if isinstance(phase, FineTuningPhase) else ablations.resolve_grpo
        assert resolve(phase, lora).values.trained == "lora"  # type: ignore[arg-type]  # the pair belongs together
        assert ablations.convert_phase_to_json(phase, lora) != ablations.convert_phase_to_json(
            phase, AblationBudget.build("production", steps=8)
        )
    assert ablations.describe_phases(ABLATIONS["one_turn_e"], lora)[0].startswith("SFT of adapters in one turn")


def test_on_a_gpu_the_profile_s_own_sampler_answers() -> None:
    (phase, _) = ABLATIONS["two_turn"].phases
    assert isinstance(phase, GrpoPhase)
    on_gpu = {on: AblationBudget.build("production", on_gpu=on) for on in (True, False)}
    generations = {on: ablations.resolve_grpo(phase, budget).values.generation for on, budget in on_gpu.items()}
    assert generations == {True: PROFILES["production", 1].generation, False: "transformers"}
