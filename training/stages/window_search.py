"""The search for a start in the window, while it is fine-tuned: a check every few steps, each on file."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import BoundingBox
from training.common.progress import Progress
from training.dataset import manifest
from training.evaluation import metrics
from training.grpo.profiles import PROFILES
from training.runs import prompts as run_prompts
from training.stages.arms import PROFILE
from training.stages.window import STANDARD, Window, WindowCheck
from training.validation.greedy import GreedyGenerator
from training.validation.predictions import scan_images

CHECK_EVERY_STEPS = 25
FIRST_SCENE = 7_500_000
"""of the scenes that decide; no training, validation or test has them"""
SCENES = 200


class WindowSearch:
    """Checks the model in training every few steps, and writes each check into a file."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        card: CheckpointCard,
        data: Path,
        path: Path,
        window: Window = STANDARD,
    ) -> None:
        self._window = window
        self._tokenizer = tokenizer
        self._card = card
        self._data = data
        self._entries = list(manifest.read_manifest(data))
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.checks = [WindowCheck(**json.loads(line)) for line in lines if line.endswith("}")]

    def __call__(self, step: int, model: PreTrainedModel) -> bool:
        """Return whether training is to end: the start is found."""
        if step % CHECK_EVERY_STEPS:
            return False
        longest = PROFILES[PROFILE, 1].validation_tokens
        check = self._check(step, GreedyGenerator(model, self._tokenizer, self._card, longest))
        self.checks = [*(earlier for earlier in self.checks if earlier.step < step), check]
        self._path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in self.checks))
        print(str(check), file=sys.stderr)
        return self._window.contains(check)

    @property
    def has_found(self) -> bool:
        """True when the last check was inside."""
        return bool(self.checks) and self._window.contains(self.checks[-1])

    def _check(self, step: int, generator: GreedyGenerator) -> WindowCheck:
        _, boxes = scan_images(generator, self._data, self._entries, "window, query 1")
        overlaps = [
            metrics.iou_of_regions(of_image, entry.regions)
            for of_image, entry in zip(boxes, self._entries, strict=True)
        ]
        known = [overlap for overlap in overlaps if overlap is not None]
        iou = sum(known) / max(1, len(known))
        if not self._window.has_iou(iou):
            return WindowCheck(step, iou)
        own = self._measure_acc(generator, boxes)
        return WindowCheck(step, iou, own, self._measure_acc(generator, [entry.regions for entry in self._entries]))

    def _measure_acc(self, generator: GreedyGenerator, crops: Sequence[Sequence[BoundingBox]]) -> float:
        prompts = [
            replace(prompt, crops=tuple(of_image)[: generator.card.max_crops])
            for prompt, of_image in zip(run_prompts.build_scan_prompts(self._data, self._entries), crops, strict=True)
        ]
        completions = generator.generate(prompts, Progress("window, query 2", len(prompts)).show)
        right = [c.verdict is entry.label for c, entry in zip(completions, self._entries, strict=True)]
        return sum(right) / len(right)
