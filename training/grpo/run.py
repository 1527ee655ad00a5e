"""A GRPO stage from start to served checkpoint: prompts, training, validation, and which weights are kept.

`OUT` is a checkpoint to serve; `OUT/grpo` is the run's record (configuration.json, log.jsonl, log.png,
validations.jsonl) and, until it has ended, what a killed run goes on from. On several devices every process runs
this, answers its share of what is asked in validation, and decides by all answers; the first one writes.
Invariant: `OUT` holds a config.json only when the run has ended.
"""

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoProcessor, ProcessorMixin, Qwen2_5_VLForConditionalGeneration

from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox
from training.dataset import faults, manifest
from training.dataset.manifest import Entry
from training.dataset.tuples import Split
from training.grpo import trainer as grpo_trainer
from training.grpo import validation
from training.grpo.greedy import Reader
from training.grpo.plan import Plan
from training.grpo.validation import Result
from training.grpo.validator import Examiner
from training.runs import adapters, processes, publishing, resuming, run_log
from training.runs import prompts as run_prompts
from training.runs.prompts import Question
from training.runs.run_log import RunLog


@dataclass(frozen=True, slots=True)
class Outcome:
    """The start's figures, those of the weights that were kept, and why each other set of weights was not."""

    start: Result
    kept: Result
    objections: dict[int, list[str]]

    @property
    def improved(self) -> bool:
        return self.kept.step > 0


def run(plan: Plan) -> Outcome | None:
    """None in a process that only helps the first one.

    Raises: BadSettings when the data or the directory cannot be used; what decoding an image of the data raises.
    """
    taken = {"--out": plan.out} if plan.record.exists() else {"--out": plan.out, "--refused": plan.refused}
    for option, directory in taken.items():
        if directory and (directory / "config.json").exists():
            raise BadSettings(f"{directory} holds a finished checkpoint; name another directory with {option}")
    entries, judged = _sets(plan)
    state = processes.join()
    if state.is_main_process:
        plan.record.mkdir(parents=True, exist_ok=True)
        _claim(plan, entries)
        resuming.forget_unfinished(plan.record)
    state.wait_for_everyone()
    torch.set_num_threads(plan.threads)
    grpo_trainer.quiet()
    model, processor = _load(plan)
    config = grpo_trainer.configure(plan.profile, processor, plan.record, plan.seed)
    reader = Reader(model, processor.tokenizer, plan.start.card, plan.profile.validation_tokens)
    examiner = Examiner(plan, reader, judged)
    examiner.examine(0, model, keep=None)
    grpo_trainer.train(
        model,
        processor,
        _asked(plan, reader, entries),
        plan.start.card,
        profile=plan.profile,
        config=config,
        title=f"GRPO stage {plan.stage}",
        seconds=plan.minutes * 60,
        threads=plan.threads,
        validate=examiner.examine,
    )
    outcome = _outcome(plan, examiner.results)
    if state.is_main_process:
        _finish(plan, outcome, publishing.digest(entries))
    state.wait_for_everyone()
    return outcome if state.is_main_process else None


def _sets(plan: Plan) -> tuple[list[Entry], list[Entry]]:
    """What is learned from, and what decides. Raises: BadSettings where they cannot serve."""
    entries = read_entries(plan.data, Split.TRAIN)
    if len(entries) < plan.profile.prompts:
        raise BadSettings(
            f"{plan.data} has {len(entries)} images to train on; a step takes {plan.profile.prompts}: lower --prompts"
        )
    judged = read_entries(plan.validation, Split.VALIDATION)[: plan.profile.validation_images]
    if not judged:
        raise BadSettings(f"{plan.validation} has no image to validate on; name another with --validation-data")
    if plan.data == plan.validation and {entry.file for entry in entries} & {entry.file for entry in judged}:
        raise BadSettings(f"{plan.data} has no splits; name another set with --validation-data")
    faults.refuse_unfit(plan.data, entries)
    faults.refuse_unusable(plan.validation, judged)
    faults.refuse_shared(plan.data, entries, plan.validation, judged)
    return entries, judged


def read_entries(directory: Path, split: Split) -> list[Entry]:
    """The images of a set that are of this split, or of none."""
    return [entry for entry in manifest.read(directory) if entry.split in (None, split)]


def _load(plan: Plan) -> tuple[Qwen2_5_VLForConditionalGeneration, ProcessorMixin]:
    """Padded on the left, as answers begin at one place."""
    processor = AutoProcessor.from_pretrained(plan.start.path, padding_side="left")
    dtype = getattr(torch, plan.profile.dtype)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(plan.start.path, dtype=dtype)
    return model.to(processes.join().device), processor


def _claim(plan: Plan, entries: Sequence[Entry]) -> None:
    """Writes what the run is; a directory of another run is refused.

    Raises: BadSettings.
    """
    said = plan.resolved.as_json() | {
        "stage": plan.stage,
        "seed": plan.seed,
        "minutes": plan.minutes if math.isfinite(plan.minutes) else None,
        "start": {"name": plan.start.name, "revision": plan.start.revision},
        "data": {"images": len(entries), "digest": publishing.digest(entries)},
        "refused": plan.refused is not None,
    }
    publishing.claim(plan.record, said)


def _asked(plan: Plan, reader: Reader, entries: Sequence[Entry]) -> list[Question]:
    if plan.stage == 1:
        return run_prompts.scans(plan.data, entries)
    if plan.in_one_turn:
        return run_prompts.uncropped(plan.data, entries)
    return run_prompts.checks(
        plan.data,
        entries,
        _own_boxes(plan, reader, entries),
        own_fraction=plan.profile.own_boxes_fraction,
        scan_fraction=plan.profile.scan_fraction,
        seed=plan.seed,
    )


def _own_boxes(plan: Plan, reader: Reader, entries: Sequence[Entry]) -> list[tuple[BoundingBox, ...]]:
    """The start's own boxes on what it learns from, found once and frozen: a run that goes on reads them again."""
    kept, state = plan.record / "own_boxes.json", processes.join()
    found = kept.exists()
    state.wait_for_everyone()  # all have looked before the first one writes
    if not found:
        _, boxes = validation.scan(reader, plan.data, entries, "the model's own boxes")
        if state.is_main_process:
            unfinished = kept.with_suffix(".part")
            unfinished.write_text(json.dumps([[box.corners for box in some] for some in boxes]))
            unfinished.replace(kept)
        state.wait_for_everyone()
    return [tuple(BoundingBox(*corners) for corners in some) for some in json.loads(kept.read_text())]


def log(plan: Plan) -> RunLog:
    """The run's steps, each with its speed."""
    return RunLog(plan.record / grpo_trainer.LOG_NAME)


def _outcome(plan: Plan, results: Sequence[Result]) -> Outcome:
    start, kept = results[0], plan.chosen(results)
    refused = {new.step: validation.objections(plan.stage, new, start) for new in results[1:] if new != kept}
    return Outcome(start, kept, {step: reasons for step, reasons in refused.items() if reasons})


def _finish(plan: Plan, outcome: Outcome, digest: str) -> None:
    if steps := log(plan).read():
        run_log.plot(steps, f"GRPO stage {plan.stage} of {plan.start.name}").save(plan.record / "log.png")
    if outcome.improved:
        _write(plan, outcome.kept.step, plan.out, digest)
    else:
        if plan.refused and outcome.objections:
            _write(plan, max(outcome.objections), plan.refused, digest)
        publishing.publish(plan.start.path, plan.out)
    for path in [*plan.record.glob("checkpoint-*"), *plan.record.glob("weights-*")]:
        shutil.rmtree(path)


def _write(plan: Plan, step: int, out: Path, digest: str) -> None:
    kept, made = plan.weights(step), plan.record / "made"
    dtype = AutoConfig.from_pretrained(plan.start.path).dtype or torch.bfloat16
    if plan.profile.trained == "lora":
        whole = adapters.merged(plan.start.path, kept, dtype)
    else:
        whole = Qwen2_5_VLForConditionalGeneration.from_pretrained(kept, dtype=dtype)
    whole.save_pretrained(made)
    publishing.complete(made, plan.start, digest)
    publishing.publish(made, out)
    shutil.rmtree(made)
