"""Validates weights as a GRPO stage goes on: a curve for the log, which decides nothing."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from training.dataset.labeled_image import LabeledImage
from training.evaluation import stored_predictions
from training.evaluation.metrics import Prediction
from training.grpo.run_config import GrpoRun
from training.runs import processes, resuming
from training.validation.greedy import GreedyGenerator
from training.validation.predictions import predict_images
from training.validation.result import ValidationResult, is_reward_hacking, summarize_predictions

NAME = "validations.jsonl"


class Validator:
    """Every process has one, and the first one writes; the first of `results` is the start's."""

    def __init__(self, run: GrpoRun, entries: Sequence[LabeledImage], start: Sequence[Prediction]) -> None:
        """Read the results of a killed run, up to the step from which it goes on."""
        self._run = run
        self._entries = entries
        self._path = run.directory / NAME
        self._writes = processes.join_processes().is_main_process
        last = resuming.find_last_checkpoint(run.directory)
        reached = resuming.parse_step(last) if last else 0
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        earlier = [ValidationResult(**json.loads(line)) for line in lines if line.endswith("}")]
        self.results = [result for result in earlier if result.step <= reached]
        if not self.results:
            self._add_result(summarize_predictions(0, start))

    def validate(self, step: int, generator: GreedyGenerator) -> None:
        """Predict every image, unless this step has been validated."""
        if any(result.step == step for result in self.results):
            return
        predictions = predict_images(generator, self._run.validation, self._entries, one_turn=self._run.is_one_turn)
        if self._writes:
            path = self._run.validation_plan.locate_predictions(f"step-{step}")
            stored_predictions.store_predictions(path, {"own": predictions}, "transformers")
        self._add_result(summarize_predictions(step, predictions))

    def _add_result(self, result: ValidationResult) -> None:
        self.results.append(result)
        if not self._writes:
            return
        self._path.write_text("".join(json.dumps(asdict(result)) + "\n" for result in self.results))
        print(f"validation at step {result.step}: {result}", file=sys.stderr)
        if is_reward_hacking(result, self.results[0]):
            advice = (
                "raise --answer-tokens: where answers are cut, R_format pays for fewer boxes"
                if self._run.profile.iou_mode == "f1"
                else "train with --iou-mode f1"
            )
            print(f"IoU rose because boxes are left out; {advice}", file=sys.stderr)
