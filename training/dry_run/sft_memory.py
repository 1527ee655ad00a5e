"""Memory of fine-tuning on each GPU."""

from pipeline.prompts import MAX_ANSWER_TOKENS
from training.dry_run import served_memory, step_memory
from training.dry_run.activations import Batch
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.sft.profiles import SftProfile


def estimate_sft_memory(shape: ModelShape, profile: SftProfile, launch: Launch, *, on_gpu: bool = True) -> MemoryPlan:
    """Estimate a step on the longest rows: Query 2 with every crop and the longest answer.

    Sharded weights are loaded in the memory of the machine and reach the GPU in shares, so the step is the peak; where
    validation decides, each GPU also holds the whole model as it is served, before and after.
    """
    batch = Batch.build_largest(shape.card, profile.micro_batch, answer_tokens=MAX_ANSWER_TOKENS)
    step = step_memory.estimate_step(shape, batch, profile, launch, checkpointing=profile.checkpointing, on_gpu=on_gpu)
    served = {"served": served_memory.estimate_served(shape, profile)} if profile.kept == "better" else {}
    return MemoryPlan({**served, "step": step})
