"""Memory of a GRPO stage on each GPU: its start, the sampled answers, the reference, and the optimizer step."""

from training.common.machine import Gpus
from training.dry_run import activations, served_memory, step_memory
from training.dry_run.activations import FULL, HALF, Batch
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.grpo import colocation
from training.grpo.profiles import GrpoProfile, Stage
from training.qwen import sizes
from training.runs import row_length

Parts = dict[str, int]


def estimate_grpo_memory(
    shape: ModelShape, profile: GrpoProfile, stage: Stage, launch: Launch, gpus: Gpus
) -> MemoryPlan:
    """Estimate each phase of a stage on a GPU; the longest rows hold every crop and the longest answer.

    - start: the start as it is served, whole, and its answers to a batch of validation's prompts
    - load: the whole model in the profile's dtype, also where it is sharded later, and for stage 2 its own boxes
    - setup: the reference whole before it is sharded, beside the engine, which then sleeps; a policy that is sharded
      waits in the machine's memory, and any other one stays
    - rollout: weights, optimizer, reference and the engine awake; without one the answers of a step, all at once
    - reference: the reference's answers; where it is sharded, all of it is gathered in bfloat16
    - step: as in fine-tuning, with the reference and the sleeping engine
    - validation: the trained model's answers to a batch, beside optimizer, reference and the sleeping engine
    - end: the trained model as it would be served, as at the start, beside the sleeping engine
    Units: bytes.
    Raises: BadSettings when the engine beside the trainer cannot start.
    """
    planned = plan_engine(shape, profile, launch, gpus)
    engine = {"engine": int(planned.gpu_memory_utilization * gpus.memory_bytes)} if planned else {}
    asleep = {"sleeping engine": colocation.ASLEEP_BYTES} if planned else {}
    reference = _count_reference_bytes(shape, profile)
    batch = _build_batch(shape, profile, stage, profile.micro_batch)
    step = step_memory.estimate_step(shape, batch, profile, launch, checkpointing=True)
    kept = {name: step[name] for name in ("weights", "optimizer")} | {"reference": reference // launch.shards}
    policy = 0 if launch.sharded else step["weights"]
    gathered = {"gathered reference": reference * HALF // FULL} if launch.sharded else {}
    forward = activations.count_forward_bytes(shape.config, batch, stream=FULL, product=HALF)
    own = _estimate_answers(shape, profile, stage, launch) if profile.generation == "transformers" else {}
    phases: dict[str, Parts] = {
        "start": served_memory.estimate_served(shape, profile),
        "load": _estimate_loading(shape, profile, stage),
        "setup": {"weights": policy, "reference": reference, **engine},
        "rollout": {**kept, **engine, **own},
        "reference": {**kept, **asleep, **gathered, "forward": forward} if reference else {},
        "step": {**step, "reference": kept["reference"], **asleep},
        "validation": {**kept, **asleep, **_estimate_validation(shape, profile, launch)},
        "end": {**served_memory.estimate_served(shape, profile), **asleep},
    }
    return MemoryPlan({name: parts for name, listed in phases.items() if (parts := _drop_empty(listed))})


def plan_engine(shape: ModelShape, profile: GrpoProfile, launch: Launch, gpus: Gpus) -> colocation.EnginePlan | None:
    """Plan the engine beside the trainer; None where another one samples the answers.

    Raises: BadSettings when the profile's values do not fit the model or the GPUs.
    """
    if profile.generation != "vllm_colocate":
        return None
    longest = row_length.count_row_tokens(shape.card, shape.card.max_crops, answer_tokens=0)
    return colocation.plan_engine(shape.config, longest, profile, devices=launch.devices, gpu_bytes=gpus.memory_bytes)


def needs_reference(profile: GrpoProfile) -> bool:
    """Return True if the run holds a copy of its start; adapters are turned off instead."""
    return profile.beta > 0 and profile.trained == "all"


def _count_reference_bytes(shape: ModelShape, profile: GrpoProfile) -> int:
    """Return the bytes of the copy of the start that answers are compared with."""
    if not needs_reference(profile):
        return 0
    return shape.count_parameters(profile).all * step_memory.count_stored_bytes(profile)


def _estimate_loading(shape: ModelShape, profile: GrpoProfile, stage: Stage) -> Parts:
    stored = step_memory.count_stored_bytes(profile)
    boxes = served_memory.estimate_greedy(shape, profile, stored, crops=0) if stage == 2 else {}
    return {"weights": shape.count_parameters(profile).all * stored, **boxes}


def _estimate_validation(shape: ModelShape, profile: GrpoProfile, launch: Launch) -> Parts:
    """Estimate a validation while the run goes on; FSDP computes in bfloat16, a whole model in its own dtype."""
    counted, stored = shape.count_parameters(profile), step_memory.count_stored_bytes(profile)
    copies = {"copies": (counted.outside + 2 * counted.layer) * HALF} if launch.sharded else {}
    number = HALF if launch.sharded else stored
    return {**copies, **served_memory.estimate_greedy(shape, profile, number, crops=shape.card.max_crops)}


def _estimate_answers(shape: ModelShape, profile: GrpoProfile, stage: Stage, launch: Launch) -> Parts:
    """Estimate the trainer's own generation: all answers of a step that fall to one device, in one batch."""
    stored, counted = step_memory.count_stored_bytes(profile), shape.count_parameters(profile)
    batch = _build_batch(shape, profile, stage, max(1, profile.answers // launch.devices))
    copied = counted.outside + 2 * counted.layer if launch.sharded else counted.all * (stored == FULL)
    return {
        "copies": copied * HALF,
        "forward": activations.count_forward_bytes(shape.config, batch, stream=stored, product=HALF),
        "cache": batch.tokens * sizes.count_keys_per_token(shape.config) * (stored + HALF),
    }


def _build_batch(shape: ModelShape, profile: GrpoProfile, stage: Stage, rows: int) -> Batch:
    """Build the longest rows of a stage: Query 1 in stage 1, Query 2 in stage 2."""
    crops = 0 if stage == 1 else shape.card.max_crops
    return Batch.build_largest(shape.card, rows, answer_tokens=profile.answer_tokens, crops=crops)


def _drop_empty(parts: Parts) -> Parts:
    return {name: size for name, size in parts.items() if size}
