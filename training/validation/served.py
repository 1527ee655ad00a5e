"""Predictions of a checkpoint as it is served: read from its directory, in the dtype that the worker would take.

vLLM makes them where this process has the GPU for itself. Several processes share the images instead, and without a
GPU vLLM starts for longer than the tiny model answers: there transformers makes them. Of one run, start and trained
weights are predicted by the same of both.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoProcessor, ProcessorMixin, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.vllm import options
from pipeline.vllm.options import EngineOptions
from training.dataset.labeled_image import LabeledImage
from training.engine.run import EngineSetup, OnEngine, run_on_engine
from training.evaluation import evaluate, samples, stored_predictions
from training.evaluation.metrics import Prediction
from training.runs import processes, publishing
from training.validation.greedy import GreedyGenerator
from training.validation.plan import ValidationPlan
from training.validation.predictions import predict_images

QUERIES = 64
"""that vLLM works on at once"""


def predict_start(plan: ValidationPlan, start: Checkpoint, entries: Sequence[LabeledImage]) -> list[Prediction]:
    """Predict by the start as it is served; a run that goes on reads its predictions."""
    engine = choose_engine(plan)
    path = plan.locate_predictions(f"start-{engine}")
    state, exists = processes.join_processes(), path.exists()
    state.wait_for_everyone()  # every process has looked before the first one writes
    if exists:
        return stored_predictions.read_predictions(path)[0]["own"]
    return _predict_and_store(plan, start, entries, path)


def predict_trained(
    plan: ValidationPlan, start: Checkpoint, trained_on: str, entries: Sequence[LabeledImage]
) -> list[Prediction]:
    """Complete the checkpoint that the run has written, and predict by it as it would be published."""
    state, unfinished = processes.join_processes(), plan.directory / publishing.MADE
    if state.is_main_process:
        publishing.complete_checkpoint(unfinished, start, trained_on)
    state.wait_for_everyone()
    path = plan.locate_predictions(f"published-{choose_engine(plan)}")
    return _predict_and_store(plan, Checkpoint.read(unfinished), entries, path)


def _predict_and_store(
    plan: ValidationPlan, checkpoint: Checkpoint, entries: Sequence[LabeledImage], path: Path
) -> list[Prediction]:
    """Predict every image; the first process stores the predictions."""
    predicted = predict_served(plan, checkpoint, entries)
    if processes.join_processes().is_main_process:
        stored_predictions.store_predictions(path, {"own": predicted}, choose_engine(plan))
    return predicted


def predict_served(
    plan: ValidationPlan,
    checkpoint: Checkpoint,
    entries: Sequence[LabeledImage],
    on_engine: OnEngine = run_on_engine,
) -> list[Prediction]:
    """Predict every image; of several processes each predicts its share, and all get all predictions.

    Raises: BadSettings when vLLM is asked for where it cannot be; what starting it raises.
    """
    if choose_engine(plan) == "vllm":
        lazy = samples.load_lazily(plan.data, entries)
        setup = EngineSetup(EngineOptions(max_num_seqs=QUERIES, max_in_flight=QUERIES), plan.directory / "answers")
        return on_engine(
            checkpoint,
            setup,
            lambda engine: evaluate.predict(lazy, engine, concurrency=QUERIES, passes=evaluate.OWN),
        )["own"]
    dtype = options.choose_dtype(checkpoint, on_cpu=not torch.cuda.is_available())
    model, processor = load_model(checkpoint.path, dtype)
    generator = GreedyGenerator(model, processor.tokenizer, checkpoint.card, plan.profile.validation_tokens)
    return predict_images(generator, plan.data, entries, one_turn=plan.is_one_turn)


def choose_engine(plan: ValidationPlan) -> Literal["transformers", "vllm"]:
    """Return who predicts for this run on this machine. Raises: BadSettings when vLLM cannot."""
    alone = processes.join_processes().num_processes == 1 and not plan.is_one_turn
    chosen = plan.profile.validation_engine
    if chosen == "vllm" and not alone:
        raise BadSettings("validation_engine is vllm, which one process with two turns takes; take transformers")
    if chosen == "vllm" and plan.has_colocated_engine:
        raise BadSettings(
            "validation_engine is vllm, a second engine beside the one of vllm_colocate, whose process keeps it; "
            "take transformers or auto"
        )
    if chosen == "auto":
        free = torch.cuda.is_available() and not plan.has_colocated_engine
        return "vllm" if alone and free else "transformers"
    return chosen


def load_model(path: Path, dtype: str) -> tuple[Qwen2_5_VLForConditionalGeneration, ProcessorMixin]:
    """Load a model, and a processor that pads on the left, so that all answers begin at one place."""
    processor = AutoProcessor.from_pretrained(path, padding_side="left")
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype))
    return model.to(processes.join_processes().device), processor
