"""Memory of a training run by counting: phases of a run with the parts of each, and those of one optimizer step.

Weights, gradients and optimizer follow from the number of parameters; activations from what autograd stores of each
layer, which tests compare with the tensors that it really stores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from training.common.machine import GIB, Gpus
from training.dry_run import activations
from training.dry_run.activations import FULL, HALF, Batch
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.runs.profiles import TrainingProfile

TILE_TOKENS, TILE_WORDS = 4096, 32768  # of the logits, TRL has so many in memory at once
Parts = Mapping[str, int]
"""bytes of each part, by its name"""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The bytes of each phase of a run on each GPU, or in the machine; there must be room for the largest phase."""

    phases: Mapping[str, Parts]

    @property
    def largest(self) -> str:
        """Return the name of the phase that takes most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def peak_bytes(self) -> int:
        return sum(self.phases[self.largest].values())

    def describe_peak(self) -> str:
        """Describe the largest phase: its GiB, its name, its parts."""
        return f"{self.peak_bytes / GIB:.1f} GiB ({self.largest}: {format_parts(self.phases[self.largest])})"


@dataclass(frozen=True, slots=True)
class RunMemory:
    """The memory of a run on each GPU that it uses, and in the machine around them."""

    gpu: MemoryPlan
    host: MemoryPlan

    def fits(self, gpus: Gpus) -> bool:
        return self.gpu.peak_bytes <= gpus.usable_bytes and self.host.peak_bytes <= gpus.usable_host_bytes


def format_parts(parts: Parts) -> str:
    """Format the parts of a phase in GiB, with their sum."""
    total = sum(parts.values()) / GIB
    return f"{total:.1f} = " + " + ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items())


def count_stored_bytes(profile: TrainingProfile) -> int:
    """Return the bytes of one number of the weights in training."""
    return FULL if profile.dtype == "float32" else HALF


def estimate_step(
    shape: ModelShape,
    batch: Batch,
    profile: TrainingProfile,
    launch: Launch,
    *,
    checkpointing: bool,
    on_gpu: bool = True,
) -> dict[str, int]:
    """Estimate the parts of one optimizer step on each device.

    - weights: parameters x bytes of the dtype / shards; adapters are float32
    - gradients: trained parameters x 4 / shards; whole on several devices, x 8, because DDP keeps them in buckets too
    - optimizer: trained parameters x 8 / shards, AdamW's two moments
    - copies, bfloat16 on GPUs: sharded, the parts outside the layers and two layers; else every float32 weight
    - activations: see `count_activation_bytes`
    - head: the last states' gradient, tokens x h x 4, one tile of logits, 4096 x 32768 x c, and, where all is trained,
      the head's whole gradient, vocabulary x h x 4, before it is shared out
    Units: bytes.
    """
    counted, lora = shape.count_parameters(profile), profile.trained == "lora"
    stored, text = count_stored_bytes(profile), shape.config.text_config
    copied = counted.outside + 2 * counted.layer if launch.sharded else counted.all * (stored == FULL)
    buckets = 2 if launch.devices > 1 and not launch.sharded else 1
    product = HALF if on_gpu else stored
    tile = min(batch.tokens, TILE_TOKENS) * min(text.vocab_size, TILE_WORDS) * product
    return {
        "weights": (counted.all * stored + (counted.trained * FULL if lora else 0)) // launch.shards,
        "gradients": buckets * counted.trained * FULL // launch.shards,
        "optimizer": 2 * counted.trained * FULL // launch.shards,
        "copies": copied * HALF if on_gpu else 0,
        "activations": activations.count_activation_bytes(
            shape.config, batch, checkpointing=checkpointing, stream=stored, product=product
        ),
        "head": batch.tokens * text.hidden_size * FULL
        + tile
        + (0 if lora else text.vocab_size * text.hidden_size * FULL),
    }
