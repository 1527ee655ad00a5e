"""Validates weights as a GRPO stage goes on, and stores on disk those that would be chosen now."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from peft import PeftModel
from transformers import PreTrainedModel

from training.dataset.labeled_image import LabeledImage
from training.grpo import validation
from training.grpo.greedy import GreedyGenerator
from training.grpo.run_config import GrpoRun
from training.grpo.trainer import Keep
from training.grpo.validation import ValidationResult
from training.runs import processes, resuming


class Validator:
    """Every process has one; all decide alike, and the first one writes."""

    def __init__(self, run: GrpoRun, generator: GreedyGenerator, entries: Sequence[LabeledImage]) -> None:
        """Read the results of a killed run, up to the step from which it goes on."""
        self._run = run
        self._generator = generator
        self._entries = entries
        self._path = run.directory / "validations.jsonl"
        self._writes = processes.join_processes().is_main_process
        last = resuming.find_last_checkpoint(run.directory)
        reached = resuming.parse_step(last) if last else 0
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        earlier = [ValidationResult(**json.loads(line)) for line in lines if line.endswith("}")]
        self.results = [result for result in earlier if result.step <= reached]

    def validate(self, step: int, model: PreTrainedModel | PeftModel, keep: Keep | None) -> None:
        """Predict every image by `model`, unless this step has been validated; `keep` writes its weights."""
        if any(result.step == step for result in self.results):
            return
        predict = validation.predict_uncropped if self._run.is_one_turn else validation.predict_two_turns
        predictions = predict(replace(self._generator, model=model), self._run.validation, self._entries)
        self._add_result(validation.summarize_predictions(step, predictions), keep)

    def _add_result(self, result: ValidationResult, keep: Keep | None) -> None:
        self.results.append(result)
        if self._writes:
            self._write_results()
        if keep and result.step in (steps := self._list_kept_steps()):
            keep(self._run.locate_weights(result.step))
            self._delete_weights_except(steps)

    def _write_results(self) -> None:
        newest = self.results[-1]
        self._path.write_text("".join(json.dumps(asdict(result)) + "\n" for result in self.results))
        print(f"validation at step {newest.step}: {newest}", file=sys.stderr)
        if validation.is_reward_hacking(newest, self.results[0]):
            print("IoU rose because boxes are left out; train with --iou-mode f1", file=sys.stderr)

    def _list_kept_steps(self) -> set[int]:
        """Return the steps whose weights would be published now, and those of the validation before.

        A run that is killed before its next checkpoint may not reach the newer ones again.
        """
        histories = (self.results, self.results[:-1])
        steps = {self._run.choose_result(results).step for results in histories}
        return steps | {results[-1].step for results in histories} if self._run.refused else steps

    def _delete_weights_except(self, steps: set[int]) -> None:
        paths = [self._run.locate_weights(step) for step in steps]
        for other in self._run.directory.glob("weights-*") if self._writes else ():
            if other not in paths:
                shutil.rmtree(other)
