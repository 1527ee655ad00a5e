"""Memory of the machine, besides that of its GPUs, that all processes of a training run take together, phase by phase.

vLLM beside the trainer reads its weights page by page from the checkpoint's files and discards them while it sleeps, so
it adds the images that it keeps in its cache and no weights.
"""

import torch

from training.common.machine import GIB
from training.dry_run import step_memory
from training.dry_run.activations import FULL, HALF, Batch
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.grpo.profiles import GrpoProfile, Stage
from training.runs.profiles import TrainingProfile
from training.sft.profiles import SftProfile

PROCESS_BYTES = 4 * GIB
"""of Python, torch, and the libraries of CUDA and NCCL in one process; no GPU has confirmed it"""
IMAGE_CACHE_BYTES = 4 * GIB
"""that each vLLM beside the trainer keeps of preprocessed images at most, its own default"""
PATCH_VALUES = 3 * 2 * 14 * 14
"""of one patch: channels, frames, height and width"""


def estimate_sft_host(shape: ModelShape, profile: SftProfile, launch: Launch) -> MemoryPlan:
    """Estimate fine-tuning; a process reads all batches of its next step at once.

    Weights that validation decides on are loaded by each process, in no more memory than the start before.
    """
    batch = Batch.build_largest(shape.card, profile.rows // launch.devices, answer_tokens=0)
    return _estimate_phases(shape, profile, launch, images=batch, copies=1)


def estimate_grpo_host(
    shape: ModelShape, profile: GrpoProfile, stage: Stage, launch: Launch, *, has_reference: bool
) -> MemoryPlan:
    """Estimate a stage of GRPO, in whose end each process also loads the weights that were published."""
    crops = 0 if stage == 1 else shape.card.max_crops
    batch = Batch.build_largest(shape.card, profile.answers // launch.devices, answer_tokens=0, crops=crops)
    planned = _estimate_phases(shape, profile, launch, images=batch, copies=1 + has_reference)
    processes = {"processes": launch.devices * PROCESS_BYTES}
    cache = {"image cache": launch.devices * IMAGE_CACHE_BYTES} if profile.generation == "vllm_colocate" else {}
    served = launch.devices * shape.count_parameters(profile).all * _count_published_bytes(shape, profile)
    return MemoryPlan(
        {
            **planned.phases,
            "step": {**planned.phases["step"], **cache},
            "publish": {**planned.phases["publish"], **cache},
            "end": {**processes, "published weights": served, **cache},
        }
    )


def _estimate_phases(
    shape: ModelShape, profile: TrainingProfile, launch: Launch, *, images: Batch, copies: int
) -> MemoryPlan:
    """Estimate the phases that all trainings have.

    - load: each process reads `copies` of the start in the profile's dtype before they go to its GPU
    - step: pixels of the rows that each process has in its hands, in float32
    - publish: the first process holds the start, and, where shards are gathered or adapters merged, all weights in
      float32 and once more in the published dtype; else these stay on its GPU
    Units: bytes.
    """
    parameters = shape.count_parameters(profile).all
    processes = {"processes": launch.devices * PROCESS_BYTES}
    loaded = launch.devices * copies * parameters * step_memory.count_stored_bytes(profile)
    gathered = (
        {"weights": parameters * FULL, "cast weights": parameters * _count_published_bytes(shape, profile)}
        if launch.sharded or profile.trained == "lora"
        else {}
    )
    return MemoryPlan(
        {
            "load": {**processes, "weights": loaded},
            "step": {**processes, "images": launch.devices * images.patches * PATCH_VALUES * FULL},
            "publish": {**processes, "start": parameters * _count_start_bytes(shape), **gathered},
        }
    )


def _count_start_bytes(shape: ModelShape) -> int:
    return FULL if shape.config.dtype == torch.float32 else HALF


def _count_published_bytes(shape: ModelShape, profile: TrainingProfile) -> int:
    """Return the bytes of one number of the published weights."""
    if profile.publish_dtype == "start":
        return _count_start_bytes(shape)
    return FULL if profile.publish_dtype == "float32" else HALF
