"""One GRPO stage by TRL's trainer: rewards, forbidden tokens, and what a run leaves behind.

The trainer gets serving's own queries, samples several answers to each, and what `rewards` says of an answer against
the others of its group moves the weights.
Source: paper section 3.3.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import DistributedType
from datasets import Dataset
from peft import PeftModel
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.utils import logging
from trl import GRPOConfig, GRPOTrainer

from pipeline import prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings
from training.grpo import rewards
from training.grpo.greedy import forbidden_tokens
from training.grpo.journal import Journal
from training.grpo.profiles import Profile
from training.runs import adapters, processes, resuming
from training.runs import prompts as run_prompts
from training.runs.budget import Budget, Clock
from training.runs.completions import Answered
from training.runs.prompts import Posed, Question
from training.runs.run_log import RunLog

Reward = Callable[..., list[float | None]]
Score = Callable[[Answered, Question], float | None]
Keep = Callable[[Path], None]
LOG_NAME = "log.jsonl"
POSED_KEPT = 256  # questions come once an answer, and again each time that a step's answers are split


def train(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: ProcessorMixin,
    asked: Sequence[Question],
    card: CheckpointCard,
    *,
    profile: Profile,
    config: GRPOConfig,
    title: str,
    seconds: float,
    threads: int,
    validate: Callable[[int, PreTrainedModel | PeftModel, Keep], None],
) -> None:
    """Train `model` in place; a run that was killed goes on from its last checkpoint in the configuration's directory.

    `validate` is told the step, every `profile.validate_every` and at the end, who answers then, and what
    writes its weights.
    """
    directory = Path(config.output_dir)
    last = resuming.last_checkpoint(directory)
    clock, budget = Clock(resuming.read_clock(last), processes.first_s), Budget(profile.steps, seconds)
    trainer = _Trainer(
        model=model,
        args=config,
        reward_funcs=reward_functions(profile, processor.tokenizer.eos_token_id),
        train_dataset=_dataset(asked, card, order(len(asked), profile, config.seed)),
        processing_class=processor,
        peft_config=adapters.config(profile),
    )
    log = RunLog(directory / LOG_NAME)
    if trainer.is_world_process_zero():
        log.start_after(resuming.step_of(last) if last else 0)
    trainer.add_callback(resuming.KeepClock(clock))
    trainer.add_callback(
        Journal(profile, title, budget, clock, log, lambda step: validate(step, trainer.model, trainer.keep))
    )
    if trainer.is_fsdp_enabled:
        # transformers marks what it shards itself; accelerate does not, and generation would end at different tokens.
        model._is_fsdp_managed_module = True
    trainer.profile, trainer.budget, trainer.clock = profile, budget, clock
    trainer.remove_callback(PrinterCallback)  # ours shows progress
    # accelerate sets the number of threads to one when it starts.
    torch.set_num_threads(threads)
    trainer.train(resume_from_checkpoint=str(last) if last else None)


def quiet() -> None:
    """What transformers says of its own accord is no news to the person who typed the command."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def reward_functions(profile: Profile, eos_token_id: int) -> list[Reward]:
    """The profile's rewards in the order of their weights, as the trainer calls them; the first also counts boxes."""
    scores: dict[str, Score] = {
        "format": lambda answer, _: rewards.r_format(answer),
        "iou": lambda answer, asked: (
            rewards.r_iou(answer, asked.annotated, profile.iou_mode) if asked.is_scan else None
        ),
        "verdict": lambda answer, asked: rewards.r_verdict(answer, asked.label),
        "bleu": lambda answer, asked: rewards.r_bleu(answer, asked.reference),
    }
    return [
        _reward(name, scores[name], eos_token_id, counts_boxes=number == 0)
        for number, name in enumerate(profile.weights)
    ]


def _reward(name: str, score: Score, eos_token_id: int, *, counts_boxes: bool) -> Reward:
    def reward(
        *,
        completions: list[list[dict[str, str]]],
        completion_ids: list[list[int]],
        posed: list[Posed],
        log_metric: Callable[[str, float], None],
        **_: object,
    ) -> list[float | None]:
        answers = [
            one.read(completion[0]["content"], truncated=ids[-1] != eos_token_id)
            for completion, ids, one in zip(completions, completion_ids, posed, strict=True)
        ]
        named = [len(answer.regions) for answer, one in zip(answers, posed, strict=True) if one.question.is_scan]
        if counts_boxes and named:
            log_metric("boxes", sum(named) / len(named))
        return [score(answer, one.question) for answer, one in zip(answers, posed, strict=True)]

    reward.__name__ = f"r_{name}"  # the trainer logs it by this name
    return reward


def order(count: int, profile: Profile, seed: int) -> list[int]:
    """Which question comes when, for the whole run: each as often as the others, shuffled anew each time round.

    The trainer shuffles by a generator that it does not keep, so a run that goes on would see others than it left.
    """
    rng = np.random.default_rng([seed, 3])
    wanted = profile.steps * profile.prompts
    rounds = [rng.permutation(count) for _ in range(-(-wanted // count))]
    return [int(number) for number in np.concatenate(rounds)[:wanted]]


def _dataset(asked: Sequence[Question], card: CheckpointCard, numbers: Sequence[int]) -> Dataset:
    """Questions that are posed when the trainer takes them: a data set of photographs need not fit into memory."""
    pose = lru_cache(maxsize=POSED_KEPT)(lambda number: run_prompts.pose(asked[number], card))

    def posed(rows: dict[str, list[int]]) -> dict[str, list[Any]]:
        taken = [pose(number) for number in rows["number"]]
        return {
            "prompt": [prompts.chat(one.query) for one in taken],
            "images": [list(one.query.images) for one in taken],
            "posed": taken,
        }

    return Dataset.from_dict({"number": list(numbers)}).with_transform(posed)


def configure(profile: Profile, processor: ProcessorMixin, directory: Path, seed: int) -> GRPOConfig:
    """The profile in the trainer's words. Raises: BadSettings where this machine cannot do it."""
    on_gpu, devices = torch.cuda.is_available(), processes.join().num_processes
    if profile.generation != "transformers" and not on_gpu:
        raise BadSettings(f"{profile.generation} needs a GPU, and there is none; take --generation transformers")
    config = GRPOConfig(
        output_dir=str(directory),
        max_steps=profile.steps,
        shuffle_dataset=False,  # `order` has
        per_device_train_batch_size=profile.micro_batch,
        gradient_accumulation_steps=processes.batches(profile.answers, at_once=profile.micro_batch, devices=devices),
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
        seed=seed,
        data_seed=seed,
        optim="adamw_torch_fused",
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=on_gpu,
        ddp_find_unused_parameters=False,  # each row has a picture, so each parameter a gradient
        save_steps=profile.save_every,
        save_total_limit=2,  # the newest may be half written when the run is killed
        logging_steps=1,
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=False,
        **_generation(profile, processor),
    )
    if config.n_gpu > 1:
        raise BadSettings("one process sees several GPUs; start it with `accelerate launch`, or show it one of them")
    return config


def _generation(profile: Profile, processor: ProcessorMixin) -> dict[str, Any]:
    forbidden = forbidden_tokens(processor.tokenizer)
    if profile.generation == "transformers":
        return {"generation_kwargs": {"suppress_tokens": forbidden}}
    mode = profile.generation.removeprefix("vllm_")
    where = {"vllm_server_base_url": profile.server_url} if mode == "server" else {}
    words = processor.tokenizer.convert_ids_to_tokens(forbidden)
    return {"use_vllm": True, "vllm_mode": mode, "generation_kwargs": {"bad_words": words}, **where}


class _Trainer(GRPOTrainer):
    """TRL's trainer with a learning rate that knows the time, and weights that come back when a run goes on."""

    profile: Profile
    budget: Budget
    clock: Clock

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        del num_training_steps  # the budget has them
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer,
            lambda step: rate(self.profile, step=step, fraction=self.budget.fraction(step, self.clock.elapsed_s)),
        )
        return self.lr_scheduler

    def keep(self, directory: Path) -> None:
        """Writes the weights as they are, of adapters alone where those are trained; all processes take part."""
        weights = self.accelerator.get_state_dict(self.model_wrapped)
        if self.is_world_process_zero():
            self.model.save_pretrained(directory, state_dict=weights)
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        sharded = self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
        if self.profile.trained == "all" and not sharded:
            resuming.load_weights(resume_from_checkpoint, model or self.model)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def create_model_card(self, *_: object, **__: object) -> None:
        """None: the checkpoint card and the run's record say more."""


def rate(profile: Profile, *, step: int, fraction: float) -> float:
    """The share of the learning rate at `fraction` of the run: a ramp, then constant or linear to nothing."""
    left = max(0.0, 1 - fraction) if profile.schedule == "linear" else 1.0
    return min(1.0, (step + 1) / profile.warm_up_steps) * left
