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
from training.evaluation import evaluate, samples
from training.evaluation.metrics import Prediction
from training.grpo import validation
from training.grpo.greedy import GreedyGenerator
from training.grpo.run_config import GrpoRun
from training.runs import processes

QUERIES = 64
"""that vLLM works on at once"""


def predict_served(
    run: GrpoRun,
    checkpoint: Checkpoint,
    entries: Sequence[LabeledImage],
    on_engine: OnEngine = run_on_engine,
) -> list[Prediction]:
    """Predict every image; of several processes each predicts its share, and all get all predictions.

    Raises: BadSettings when vLLM is asked for where it cannot be; what starting it raises.
    """
    if choose_engine(run) == "vllm":
        lazy = samples.load_lazily(run.validation, entries)
        setup = EngineSetup(EngineOptions(max_num_seqs=QUERIES, max_in_flight=QUERIES), run.directory / "answers")
        return on_engine(
            checkpoint,
            setup,
            lambda engine: evaluate.predict(lazy, engine, concurrency=QUERIES, passes=evaluate.OWN),
        )["own"]
    dtype = options.choose_dtype(checkpoint, on_cpu=not torch.cuda.is_available())
    model, processor = load_model(checkpoint.path, dtype)
    generator = GreedyGenerator(model, processor.tokenizer, checkpoint.card, run.profile.validation_tokens)
    return validation.predict_images(generator, run.validation, entries, one_turn=run.is_one_turn)


def choose_engine(run: GrpoRun) -> Literal["transformers", "vllm"]:
    """Return who predicts for this run on this machine. Raises: BadSettings when vLLM cannot."""
    alone = processes.join_processes().num_processes == 1 and not run.is_one_turn
    chosen = run.profile.validation_engine
    if chosen == "vllm" and not alone:
        raise BadSettings("validation_engine is vllm, which one process with two turns takes; take transformers")
    if chosen == "vllm" and run.profile.generation == "vllm_colocate":
        raise BadSettings(
            "validation_engine is vllm, a second engine beside the one of vllm_colocate, whose process keeps it; "
            "take transformers or auto"
        )
    if chosen == "auto":
        free = torch.cuda.is_available() and run.profile.generation != "vllm_colocate"
        return "vllm" if alone and free else "transformers"
    return chosen


def load_model(path: Path, dtype: str) -> tuple[Qwen2_5_VLForConditionalGeneration, ProcessorMixin]:
    """Load a model, and a processor that pads on the left, so that all answers begin at one place."""
    processor = AutoProcessor.from_pretrained(path, padding_side="left")
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype))
    return model.to(processes.join_processes().device), processor
