from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from transformers import AutoProcessor
from trl.data_utils import prepare_multimodal_messages

from pipeline import prompts
from pipeline.checkpoint import Checkpoint
from pipeline.verdict import BoundingBox, Verdict
from tests.support.paths import MODEL
from training.errors import TrainingFailed
from training.grpo import profiles as grpo_profiles
from training.grpo import trainer as grpo_trainer
from training.grpo.profiles import GrpoProfile
from training.grpo.trainer import StageTrainer
from training.qwen import tensors
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt, RenderedPrompt
from training.synthetic import scene_files
from training.tiny_model import vocabulary

EOS, WORD = 1, 7


@pytest.fixture(scope="module")
def prompts_of_set(tmp_path_factory: pytest.TempPathFactory) -> list[Prompt]:
    directory = tmp_path_factory.mktemp("set")
    entries = [scene_files.write_scene(directory, seed) for seed in (0, 1)]
    own = [entry.regions for entry in entries]
    checks = run_prompts.build_check_prompts(
        directory, entries, own, max_crops=8, own_fraction=1.0, scan_fraction=0.0, seed=0
    )
    return run_prompts.build_scan_prompts(directory, entries) + checks


@pytest.fixture(scope="module")
def rendered(prompts_of_set: list[Prompt]) -> list[RenderedPrompt]:
    card = Checkpoint.read(MODEL).card
    return [run_prompts.render_prompt(question, card) for question in prompts_of_set]


def profile(**changes: object) -> GrpoProfile:
    return grpo_profiles.resolve_grpo_profile("tiny", 1, changes).values


def score_completions(
    rewards: list[grpo_trainer.Reward], rendered: list[RenderedPrompt], texts: list[str], ids: list[list[int]]
) -> dict[str, object]:
    """Return what the trainer would get from each reward, and the metrics that they log."""
    logged: dict[str, object] = {}
    for reward in rewards:
        logged[reward.__name__] = reward(
            prompts=None,
            completions=[[{"role": "assistant", "content": text}] for text in texts],
            completion_ids=ids,
            rendered=rendered,
            log_metric=logged.__setitem__,
            trainer_state=None,
        )
    return logged


def test_prompts_reach_the_model_token_for_token_as_in_serving(
    prompts_of_set: list[Prompt], rendered: list[RenderedPrompt]
) -> None:
    processor = AutoProcessor.from_pretrained(MODEL, padding_side="left")
    rows = grpo_trainer.build_grpo_dataset(prompts_of_set, rendered[0].card, range(len(prompts_of_set)))[:]
    collator = tensors.Collator(processor.tokenizer)
    for messages, pictures, one in zip(rows["prompt"], rows["images"], rendered, strict=True):
        grpo_sees = prepare_multimodal_messages(messages, images=pictures)
        (ids,) = processor.apply_chat_template(
            conversation=[grpo_sees], add_generation_prompt=True, tokenize=True, return_dict=True
        )["input_ids"]
        assert ids == collator.encode_prompt(one.query)


def test_rewards_are_those_of_the_equations(rendered: list[RenderedPrompt]) -> None:
    scan, check = rendered[1], rendered[3]
    boxes = [vocabulary.round_to_grid(box) for box in scan.prompt.annotated or ()]
    texts = [
        prompts.render_scan(Verdict.GENERATED, boxes, "x"),
        prompts.render_scan(Verdict.REAL, [(0, 0, 20, 20)], "x"),
        prompts.render_check(Verdict.GENERATED, check.prompt.reference),
        "no answer",
    ]
    rewards = grpo_trainer.build_reward_functions(
        profile(stage_rewards=(("format", 1.0), ("iou", 1.0), ("verdict", 1.0), ("bleu", 1.0))), EOS, [scan.prompt]
    )
    logged = score_completions(rewards, [scan, scan, check, check], texts, [[WORD, EOS]] * 4)
    assert logged["r_format"] == [1.0, 1.0, 1.0, 0.0]
    assert logged["r_verdict"] == [1.0, 0.0, 1.0, 0.0]
    assert logged["r_iou"][0] > 0.8
    assert logged["r_iou"][1:] == [0.0, None, None]
    assert logged["r_bleu"][2:] == [pytest.approx(1.0), 0.0]
    assert logged["boxes"] == (len(boxes) + 1) / 2


def test_a_verdict_alone_is_worth_as_much_as_a_whole_annotation(rendered: list[RenderedPrompt]) -> None:
    scan, check = rendered[1], rendered[3]
    bare = [replace(one, prompt=replace(one.prompt, annotated=None, reference="")) for one in (scan, check)]
    boxes = [vocabulary.round_to_grid(box) for box in scan.prompt.annotated or ()]
    right = [
        prompts.render_scan(Verdict.GENERATED, boxes, "x"),
        prompts.render_check(Verdict.GENERATED, "The weave repeats exactly."),
    ]
    whole = [right[0], prompts.render_check(Verdict.GENERATED, check.prompt.reference)]
    weights = (("verdict", 1.0), ("bleu", 1.0), ("iou", 0.5))
    rows = [scan, check, *bare]
    rewards = grpo_trainer.build_reward_functions(profile(stage_rewards=weights), EOS, [row.prompt for row in rows])
    logged = score_completions(rewards, [*rows, bare[1]], [*whole, *right, "nothing"], [[WORD, EOS]] * 5)
    assert logged["r_verdict"] == [1.0, 1.0, 1.5, 2.0, 0.0]
    assert logged["r_bleu"][1:] == [pytest.approx(1.0), None, None, None]
    assert logged["r_iou"][1:] == [None] * 4
    assert logged["unscaled/r_verdict"] == 0.8


def test_an_answer_that_leaves_the_explanation_out_earns_nothing_where_no_reference_judges_it(
    rendered: list[RenderedPrompt],
) -> None:
    bare = replace(rendered[3], prompt=replace(rendered[3].prompt, annotated=None, reference=""))
    rewards = grpo_trainer.build_reward_functions(profile(stage_rewards=(("verdict", 1.0),)), EOS, [bare.prompt])
    texts = [prompts.render_check(Verdict.GENERATED, text) for text in ("", " ", "x", "The weave repeats exactly.")]
    texts.append("<verdict>generated</verdict>")
    scored = score_completions(rewards, [bare] * 5, texts, [[WORD, EOS]] * 5)
    assert scored["r_verdict"] == [0.0, 0.0, 0.0, 1.0, 0.0]


def test_an_answer_that_ran_out_of_tokens_is_read_as_far_as_it_goes(rendered: list[RenderedPrompt]) -> None:
    rewards = grpo_trainer.build_reward_functions(profile(stage_rewards=(("format", 1.0),)), EOS, [])
    cut = "<verdict>real</verdict><boxes>[0,0,500,500]</boxes><explanation>The to"
    logged = score_completions(rewards, [rendered[0]] * 2, [cut, cut], [[WORD, WORD], [WORD, EOS]])
    assert logged["r_format"] == [1.0, 0.0]


def test_every_question_comes_as_often_as_the_others() -> None:
    values = profile(steps=5, prompts=4, generations=2, micro_batch=8)
    numbers = grpo_trainer.draw_order(8, values, seed=0)
    assert len(numbers) == 20
    assert sorted(numbers[:8]) == sorted(numbers[8:16]) == list(range(8))
    assert numbers[:8] != numbers[8:16]
    assert numbers == grpo_trainer.draw_order(8, values, seed=0)
    assert numbers != grpo_trainer.draw_order(8, values, seed=1)


def test_weights_go_with_their_rewards() -> None:
    values = profile(stage_rewards=(("verdict", 0.25), ("iou", 1.0), ("format", 0.0)))
    config = grpo_trainer.build_grpo_config(values, {}, Path("unused"), 0)
    rewards = grpo_trainer.build_reward_functions(values, EOS, [])
    assert [reward.__name__ for reward in rewards] == ["r_verdict", "r_iou"]
    assert config.reward_weights == [0.25, 1.0]
    assert config.gradient_accumulation_steps * config.per_device_train_batch_size == values.answers


def test_the_reporter_reaches_the_trainer(tmp_path: Path) -> None:
    reporters = [
        grpo_trainer.build_grpo_config(profile(**change), {}, tmp_path, 0).report_to
        for change in ({}, {"report_to": "wandb"})
    ]
    assert reporters == [[], ["wandb"]]


def test_the_regions_of_both_sides_are_pixels_of_the_full_size(rendered: list[RenderedPrompt]) -> None:
    answer = rendered[0].read_completion(prompts.render_scan(Verdict.REAL, [(0, 0, 1000, 1000)], "x"), truncated=False)
    assert answer.regions == (BoundingBox(0, 0, 512, 512),)


def test_the_first_batch_with_whole_answers_is_compared() -> None:
    trained, mask = torch.full((2, 3), -1.0), torch.ones(2, 3)
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(reduce=lambda sums, reduction: sums),
        vllm_mode="server",
        describe_last_checkpoint=lambda: "checkpoint-7 stays",
    )

    def compare(sampled: torch.Tensor, mask: torch.Tensor) -> bool:
        batch = {"old_per_token_logps": trained, "sampling_per_token_logps": sampled, "completion_mask": mask}
        return StageTrainer._compare_sampler(cast(Any, trainer), batch)

    assert compare(trained - 4, mask * 0) is False, "cut answers are masked, so the next batch is compared"
    assert compare(trained - 0.05, mask) is True
    with pytest.raises(TrainingFailed, match=r"server.* by 4\.000 a token.*checkpoint-7 stays"):
        compare(trained - 4, mask)
