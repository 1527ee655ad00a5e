"""Validates weights as a GRPO stage goes on, and keeps those on disk that would be chosen now."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from peft import PeftModel
from transformers import PreTrainedModel

from training.dataset.manifest import Entry
from training.grpo import validation
from training.grpo.greedy import Reader
from training.grpo.plan import Plan
from training.grpo.trainer import Keep
from training.grpo.validation import Result
from training.runs import processes, resuming


class Examiner:
    """One for each process; the first writes, all decide alike."""

    def __init__(self, plan: Plan, reader: Reader, entries: Sequence[Entry]) -> None:
        self._plan = plan
        self._reader = reader
        self._entries = entries
        self._path = plan.record / "validations.jsonl"
        self._writes = processes.join().is_main_process
        last = resuming.last_checkpoint(plan.record)
        reached = resuming.step_of(last) if last else 0
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        earlier = [Result(**json.loads(line)) for line in lines if line.endswith("}")]
        self.results = [one for one in earlier if one.step <= reached]

    def examine(self, step: int, model: PreTrainedModel | PeftModel, keep: Keep | None) -> None:
        if any(one.step == step for one in self.results):
            return
        judge = validation.judge_one_turn if self._plan.in_one_turn else validation.judge
        judged = judge(replace(self._reader, model=model), self._plan.validation, self._entries)
        self._note(validation.result(step, judged), keep)

    def _note(self, result: Result, keep: Keep | None) -> None:
        self.results.append(result)
        if self._writes:
            self._tell(result.step)
        if keep and result.step in (wanted := self._wanted()):
            keep(self._plan.weights(result.step))
            self._remove_but(wanted)

    def _tell(self, step: int) -> None:
        self._path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in self.results))
        print(f"validation at step {step}: {self.results[-1]}", file=sys.stderr)
        if validation.gamed(self.results[-1], self.results[0]):
            print("IoU rose because boxes are left out; train with --iou-mode f1", file=sys.stderr)

    def _wanted(self) -> set[int]:
        """The steps whose weights would be written now, and those that would have been at the validation before.

        A run that is killed before its next checkpoint may not come to the newer ones again.
        """
        told = (self.results, self.results[:-1])
        wanted = {self._plan.chosen(results).step for results in told}
        return wanted | {results[-1].step for results in told} if self._plan.refused else wanted

    def _remove_but(self, wanted: set[int]) -> None:
        kept = [self._plan.weights(step) for step in wanted]
        for other in self._plan.record.glob("weights-*") if self._writes else ():
            if other not in kept:
                shutil.rmtree(other)
