"""Memory of fine-tuning on each GPU."""

from pipeline.prompts import MAX_ANSWER_TOKENS
from training.dry_run import step_memory
from training.dry_run.activations import Batch
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.sft.profiles import SftProfile


def estimate_sft_memory(shape: ModelShape, profile: SftProfile, launch: Launch, *, on_gpu: bool = True) -> MemoryPlan:
    """Estimate a step on the longest rows: Query 2 with every crop and the longest answer.

    Sharded weights are loaded in the memory of the machine and reach the GPU in shares, so the step is the peak.
    """
    batch = Batch.build_largest(shape.card, profile.micro_batch, answer_tokens=MAX_ANSWER_TOKENS)
    step = step_memory.estimate_step(shape, batch, profile, launch, checkpointing=profile.checkpointing, on_gpu=on_gpu)
    return MemoryPlan({"step": step})
