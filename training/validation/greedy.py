"""Greedy answers of a model in training, by plain transformers in batches, parsed as serving parses them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from accelerate.utils import gather_object
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.checkpoint import CheckpointCard
from training.qwen import tensors, tokens
from training.runs import processes, row_length
from training.runs import prompts as run_prompts
from training.runs.completions import ParsedCompletion
from training.runs.prompts import Prompt

MOST_ROWS = 32
BATCH_TOKENS = 24_576
"""of prompts and answers at once: a 32B that is whole on a GPU of 80 GB has memory for no more"""


def count_batch_rows(card: CheckpointCard, crops: int, answer_tokens: int) -> int:
    """Return how many rows with so many crops are answered at once."""
    return max(1, min(MOST_ROWS, BATCH_TOKENS // row_length.count_row_tokens(card, crops, answer_tokens)))


@dataclass(frozen=True, slots=True, eq=False)
class GreedyGenerator:
    """A model with its tokenizer, its checkpoint card, and the longest answer."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    card: CheckpointCard
    max_tokens: int

    def generate(self, prompts: Sequence[Prompt], after_each: Callable[[int], None]) -> list[ParsedCompletion]:
        """Answer every prompt, in their order; `after_each` gets the number of answered prompts after each batch.

        Of several processes each answers its share, and all get all answers.
        """
        state, completions = processes.join_processes(), dict[int, ParsedCompletion]()
        # Prompts with the same number of pictures share a batch: less padding.
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number].crops or ()))
        share = processes.take_share(order, state.process_index, state.num_processes)
        # All processes take batches of one size: where weights are sharded, each batch needs every process.
        most_crops = max((len(prompt.crops or ()) for prompt in prompts), default=0)
        rows = count_batch_rows(self.card, most_crops, self.max_tokens)
        training = self.model.training
        self.model.eval()
        try:
            for start in range(0, len(share), rows):
                batch = share[start : start + rows]
                completions.update(zip(batch, self._answer([prompts[number] for number in batch]), strict=True))
                if state.is_main_process:
                    after_each(min(len(prompts), len(completions) * state.num_processes))
        finally:
            self.model.train(training)
        gathered = dict(gather_object(list(completions.items())))
        return [gathered[number] for number in range(len(prompts))]

    @torch.no_grad()
    def _answer(self, prompts: Sequence[Prompt]) -> list[ParsedCompletion]:
        rendered = [run_prompts.render_prompt(prompt, self.card) for prompt in prompts]
        batch = tensors.Collator(self.tokenizer).collate_prompts([prompt.query for prompt in rendered])
        device = self.model.device
        generated = self.model.generate(
            **{name: tensor.to(device) for name, tensor in batch.items()},
            generation_config=self._build_generation_config(),
        )[:, batch["input_ids"].shape[1] :]
        ended = (generated == self.tokenizer.eos_token_id).any(1).tolist()
        texts = self.tokenizer.batch_decode(generated, skip_special_tokens=True)
        return [
            prompt.read_completion(text, truncated=not whole)
            for prompt, text, whole in zip(rendered, texts, ended, strict=True)
        ]

    def _build_generation_config(self) -> GenerationConfig:
        return GenerationConfig(
            max_new_tokens=self.max_tokens,
            do_sample=False,
            repetition_penalty=1.0,  # else transformers takes the checkpoint's own, which rollouts and vLLM do not
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            suppress_tokens=list_forbidden_tokens(self.tokenizer),
        )


def list_forbidden_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return all special tokens but the one that ends an answer.

    A sampled image token would stand for a picture that does not exist.
    """
    known = tokenizer.get_vocab()
    special = {*tokenizer.all_special_ids, *(known[token] for token in tokens.SPECIALS if token in known)}
    return sorted(special - {tokenizer.eos_token_id})
