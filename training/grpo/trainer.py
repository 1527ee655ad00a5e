"""One GRPO stage by TRL's trainer: rewards, forbidden tokens, and the order of the prompts.

The trainer gets serving's own queries and samples several answers to each. The reward of an answer, compared with those
of its group, moves the weights.
Source: paper section 3.3.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel, ProcessorMixin, Qwen2_5_VLForConditionalGeneration
from trl import GRPOConfig, GRPOTrainer

from pipeline import prompts as query_prompts
from pipeline.checkpoint import CheckpointCard
from training.grpo import divergence, rewards, workarounds
from training.grpo.journal import GrpoJournal
from training.grpo.profiles import GrpoProfile
from training.runs import adapters, processes, resumable, resuming
from training.runs import prompts as run_prompts
from training.runs.budget import Budget, Clock
from training.runs.completions import ParsedCompletion
from training.runs.prompts import Prompt, RenderedPrompt
from training.runs.resumable import ResumableTrainer
from training.runs.run_log import UNSCALED_PREFIX, RunLog

Reward = Callable[..., list[float | None]]
Score = Callable[[ParsedCompletion, Prompt], float | None]
LOG_NAME = "log.jsonl"
RENDERED_PROMPTS = 256  # in memory: a prompt comes once an answer, and again each time a step's answers are split


def train_grpo(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: ProcessorMixin,
    prompts: Sequence[Prompt],
    card: CheckpointCard,
    *,
    profile: GrpoProfile,
    config: GRPOConfig,
    title: str,
    seconds: float,
    threads: int,
    validate: Callable[[int, PreTrainedModel | PeftModel], None],
) -> "StageTrainer":
    """Train `model` in place; a killed run goes on from its last checkpoint in the config's output directory.

    `validate` gets the step and the model every `profile.validate_every` steps and at the end.
    """
    directory = Path(config.output_dir)
    last = resuming.find_last_checkpoint(directory)
    clock = Clock(resuming.read_clock(last), processes.read_shared_clock)
    budget = Budget(profile.steps, seconds)
    _free_gpu(model)
    trainer = StageTrainer(
        model=model,
        args=config,
        reward_funcs=build_reward_functions(profile, processor.tokenizer.eos_token_id, prompts),
        train_dataset=build_grpo_dataset(prompts, card, draw_order(len(prompts), profile, config.seed)),
        processing_class=processor,
        peft_config=adapters.build_lora_config(profile),
    )
    log = _open_log(trainer, directory, last)
    trainer.add_callback(GrpoJournal(profile, title, budget, clock, log, lambda step: validate(step, trainer.model)))
    if trainer.is_fsdp_enabled:
        # transformers marks what it shards itself; accelerate does not, and generation would end at different tokens.
        model._is_fsdp_managed_module = True
    trainer.train_from(last, rate=_build_rate(profile, budget, clock), clock=clock, threads=threads)
    validate(trainer.state.global_step, trainer.model)
    return trainer


def _free_gpu(model: PreTrainedModel) -> None:
    """Give back the GPU memory that the trainer takes first: for vLLM, and for the reference before it is sharded.

    A model that will be sharded waits in the machine's memory; FSDP takes it to the GPU in shares.
    """
    if processes.shards_weights():
        model.cpu()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _build_rate(profile: GrpoProfile, budget: Budget, clock: Clock) -> Callable[[int], float]:
    """Build the learning rate of a step, which follows the budget's nearer end."""

    def compute_rate(step: int) -> float:
        return profile.compute_rate(step=step, fraction=budget.measure_progress(step, clock.elapsed_s))

    return compute_rate


def _open_log(trainer: "StageTrainer", directory: Path, last: Path | None) -> RunLog:
    """Open the log; the first process drops the lines that a killed run wrote after the checkpoint `last`."""
    log = RunLog(directory / LOG_NAME)
    if trainer.is_world_process_zero():
        log.truncate_after(resuming.parse_step(last) if last else 0)
    return log


def build_reward_functions(profile: GrpoProfile, eos_token_id: int, prompts: Sequence[Prompt]) -> list[Reward]:
    """Build the profile's rewards in the order of their weights; the first one also counts boxes.

    Prompts that some rewards cannot judge, because people gave a verdict alone, earn as much at most as the others.
    """
    scores: dict[str, Score] = {
        "format": lambda completion, _: rewards.reward_format(completion),
        "iou": lambda completion, prompt: (
            rewards.reward_iou(completion, prompt.annotated, profile.iou_mode)
            if prompt.is_scan and prompt.annotated is not None
            else None
        ),
        "verdict": lambda completion, prompt: (
            rewards.reward_verdict(completion, prompt.label)
            if prompt.is_scan or prompt.reference
            else rewards.reward_unexplained_verdict(completion, prompt.label)
        ),
        "bleu": lambda completion, prompt: rewards.reward_bleu(completion, prompt.reference),
    }

    def scale(prompt: Prompt) -> float:
        return rewards.compute_scale(prompt, profile.weights)

    is_scaled = any(scale(prompt) != 1 for prompt in prompts)
    return [
        _build_reward(name, scores[name], eos_token_id, scale=scale if is_scaled else None, counts_boxes=number == 0)
        for number, name in enumerate(profile.weights)
    ]


def _build_reward(
    name: str, score: Score, eos_token_id: int, *, scale: Callable[[Prompt], float] | None, counts_boxes: bool
) -> Reward:
    def reward(
        *,
        completions: list[list[dict[str, str]]],
        completion_ids: list[list[int]],
        rendered: list[RenderedPrompt],
        log_metric: Callable[[str, float], None],
        **_: object,
    ) -> list[float | None]:
        parsed = [
            prompt.read_completion(completion[0]["content"], truncated=ids[-1] != eos_token_id)
            for completion, ids, prompt in zip(completions, completion_ids, rendered, strict=True)
        ]
        pairs = [(completion, each.prompt) for completion, each in zip(parsed, rendered, strict=True)]
        boxes = [len(completion.regions) for completion, prompt in pairs if prompt.is_scan]
        if counts_boxes and boxes:
            log_metric("boxes", sum(boxes) / len(boxes))
        values = [score(completion, prompt) for completion, prompt in pairs]
        if scale is None:
            return values
        if judged := [value for value in values if value is not None]:
            log_metric(f"{UNSCALED_PREFIX}{name}", sum(judged) / len(judged))
        return [
            None if value is None else value * scale(prompt) for value, (_, prompt) in zip(values, pairs, strict=True)
        ]

    reward.__name__ = f"r_{name}"  # the trainer logs it by this name
    return reward


def draw_order(count: int, profile: GrpoProfile, seed: int) -> list[int]:
    """Draw the order of the prompts for the whole run: each as often as the others, shuffled anew each time round.

    The trainer does not save the generator that it shuffles by, so a resumed run would get other prompts.
    """
    rng = np.random.default_rng([seed, 3])
    wanted = profile.steps * profile.prompts
    rounds = [rng.permutation(count) for _ in range(-(-wanted // count))]
    return [int(number) for number in np.concatenate(rounds)[:wanted]]


def build_grpo_dataset(prompts: Sequence[Prompt], card: CheckpointCard, numbers: Sequence[int]) -> Dataset:
    """Render prompts when the trainer takes them: a set of photographs need not fit into memory."""
    render = lru_cache(maxsize=RENDERED_PROMPTS)(lambda number: run_prompts.render_prompt(prompts[number], card))

    def render_rows(rows: dict[str, list[int]]) -> dict[str, list[Any]]:
        rendered = [render(number) for number in rows["number"]]
        return {
            "prompt": [query_prompts.build_chat(prompt.query) for prompt in rendered],
            "images": [[image.pixels for image in prompt.query.images] for prompt in rendered],
            "rendered": rendered,
        }

    return Dataset.from_dict({"number": list(numbers)}).with_transform(render_rows)


def build_grpo_config(profile: GrpoProfile, sampler: Mapping[str, Any], directory: Path, seed: int) -> GRPOConfig:
    """Translate the profile into the trainer's arguments, with those of the sampler.

    Raises: BadSettings when the answers cannot be shared by the devices.
    """
    on_gpu, devices = torch.cuda.is_available(), processes.join_processes().num_processes
    shared = resumable.list_shared_arguments(
        directory, steps=profile.steps, seed=seed, save_every=profile.save_every, report_to=profile.report_to
    )
    return GRPOConfig(
        **shared,
        data_seed=seed,
        shuffle_dataset=False,  # `draw_order` has shuffled
        per_device_train_batch_size=profile.micro_batch,
        gradient_accumulation_steps=processes.count_batches(
            profile.answers, at_once=profile.micro_batch, devices=devices, answers=profile.generations
        ),
        num_generations=profile.generations,
        learning_rate=profile.learning_rate,
        temperature=profile.temperature,
        beta=profile.beta,
        loss_type=profile.loss,
        scale_rewards=profile.scale_rewards,
        epsilon=profile.epsilon,
        epsilon_high=profile.epsilon_high,
        adam_beta2=profile.adam_beta2,
        max_completion_length=profile.answer_tokens,
        mask_truncated_completions=profile.mask_truncated,
        reward_weights=list(profile.weights.values()),
        gradient_checkpointing=on_gpu,
        ddp_find_unused_parameters=False,  # each row has a picture, so each parameter a gradient
        dataloader_pin_memory=False,
        **sampler,
    )


class StageTrainer(ResumableTrainer, GRPOTrainer):
    """TRL's trainer with workarounds for vLLM.

    A vLLM engine that samples has to see what is trained: the first answers of each process's run are compared.
    """

    _has_compared = False

    def _generate_single_turn(self, prompt_ids: list[list[int]], *others: Any, **named: Any) -> Any:
        """Prepare prompts and caches of vLLM; the trainer itself goes on with the ids as they are."""
        if self.use_vllm:
            workarounds.forget_image_features(self.vllm_generation)
        if self.use_vllm and self.vllm_mode == "colocate":
            pad = self.processing_class.image_token_id
            prompt_ids = [workarounds.collapse_image_runs(ids, pad) for ids in prompt_ids]
        return super()._generate_single_turn(prompt_ids, *others, **named)  # type: ignore[no-untyped-call]  # of TRL

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self.use_vllm and not self._has_compared:
            self._has_compared = self._compare_sampler(batch)
        return batch

    def _compare_sampler(self, batch: Mapping[str, torch.Tensor]) -> bool:
        """Return whether any token could be compared: cut answers are masked.

        Raises: TrainingFailed, in all processes, when the sampler diverges from the trainer.
        """
        sums = divergence.sum_differences(
            batch["old_per_token_logps"], batch["sampling_per_token_logps"], batch["completion_mask"]
        )
        total, tokens = self.accelerator.reduce(sums, reduction="sum").tolist()
        if tokens:
            divergence.refuse_divergence(total / tokens, self.vllm_mode, self.describe_last_checkpoint())
        return bool(tokens)
