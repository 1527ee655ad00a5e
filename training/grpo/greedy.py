"""Answers by plain transformers while a model is in training: greedy, in batches, read as serving reads them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from accelerate.utils import gather_object
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.checkpoint import CheckpointCard
from training.qwen import tensors, tokens
from training.runs import processes
from training.runs import prompts as run_prompts
from training.runs.completions import Answered
from training.runs.prompts import Question

BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A model with what it is asked by."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    card: CheckpointCard
    max_tokens: int

    def answers(self, asked: Sequence[Question], after_each: Callable[[int], None]) -> list[Answered]:
        """One answer a question, in their order; `after_each` batch is told how many are done.

        Of several processes each answers its share, and all get all answers.
        """
        state, answered = processes.join(), dict[int, Answered]()
        # Those with as many pictures as each other share a batch: less padding.
        order = sorted(range(len(asked)), key=lambda number: len(asked[number].crops or ()))
        share = processes.share(order, state.process_index, state.num_processes)
        training = self.model.training
        self.model.eval()
        try:
            for start in range(0, len(share), BATCH):
                batch = share[start : start + BATCH]
                answered.update(zip(batch, self._answer([asked[number] for number in batch]), strict=True))
                if state.is_main_process:
                    after_each(min(len(asked), len(answered) * state.num_processes))
        finally:
            self.model.train(training)
        gathered = dict(gather_object(list(answered.items())))
        return [gathered[number] for number in range(len(asked))]

    @torch.no_grad()
    def _answer(self, asked: Sequence[Question]) -> list[Answered]:
        posed = [run_prompts.pose(question, self.card) for question in asked]
        batch = tensors.Collator(self.tokenizer).prompts([one.query for one in posed])
        device = self.model.device
        written = self.model.generate(
            **{name: tensor.to(device) for name, tensor in batch.items()}, generation_config=self._generation()
        )[:, batch["input_ids"].shape[1] :]
        ended = (written == self.tokenizer.eos_token_id).any(1).tolist()
        texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [one.read(text, truncated=not whole) for one, text, whole in zip(posed, texts, ended, strict=True)]

    def _generation(self) -> GenerationConfig:
        return GenerationConfig(
            max_new_tokens=self.max_tokens,
            do_sample=False,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            suppress_tokens=forbidden_tokens(self.tokenizer),
        )


def forbidden_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Special tokens but the one that ends an answer: a sampled image token would stand for a picture that is none."""
    known = tokenizer.get_vocab()
    special = {*tokenizer.all_special_ids, *(known[token] for token in tokens.SPECIALS if token in known)}
    return sorted(special - {tokenizer.eos_token_id})
