"""The whole check, top to bottom: random weights, serving, tensor parallelism, one step of SFT, one of GRPO."""

import asyncio
import time
from collections.abc import Callable, Mapping

from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings
from pipeline.vllm.runtime import is_cpu_build
from training.common.machine import GIB, Gpus, Machine, refuse_cpu_build
from training.dry_run import grpo_memory, sft_memory
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.gpu_check import dummy_checkpoint, machine, serving, training_steps
from training.gpu_check.machine import MemoryMeter
from training.gpu_check.plan import CheckPlan
from training.gpu_check.rows import CheckRow, Report
from training.grpo.profiles import resolve_grpo_profile
from training.qwen import sizes
from training.sft.profiles import resolve_sft_profile

SPREAD = 2
"""GPUs of the second serving part, where one GPU served the first"""


def run_check(plan: CheckPlan, here: Machine, report: Report) -> None:
    """Report each row when it is known; no part begins after the plan's minutes, and each is ended with them.

    Raises: BadSettings without a GPU, with the CPU build of vLLM beside one, without room on the disk, or for a size
    that is none.
    """
    if not plan.on_cpu:
        machine.refuse_missing_gpu(here)
        refuse_cpu_build(here, cpu_build=is_cpu_build())
    ends_s = time.monotonic() + plan.minutes * 60
    config = dummy_checkpoint.build_config(plan.size, plan.layers, plan.words)
    began = time.monotonic()
    dummy_checkpoint.write_dummy_checkpoint(plan.checkpoint, config, plan.build_card(), words=plan.words)
    report(CheckRow(name="random weights", values={"seconds": round(time.monotonic() - began, 1)}))
    for name, run_part in PARTS.items():
        left_s = ends_s - time.monotonic()
        if left_s > 0:
            run_part(plan, here, report, left_s)
        else:
            detail = f"not reached within {plan.minutes:g} minutes; --minutes allows more"
            report(CheckRow(name=name, outcome="failed", detail=detail))


def choose_tensor_parallel(size: str, here: Machine) -> int:
    """Return the fewest GPUs, a power of two, on which the weights take at most three quarters of the memory."""
    weights_gib = 2 * sum(p.numel() for p in sizes.build_on_meta(sizes.load_config(size)).parameters()) / 2**30
    spread = 1
    while 2 * spread <= len(here.devices) and weights_gib / spread > 0.75 * here.memory_gib:
        spread *= 2
    return spread


def _serve(plan: CheckPlan, here: Machine, report: Report, seconds: float) -> None:
    del here
    with MemoryMeter(on_cpu=plan.on_cpu) as used:
        asyncio.run(serving.check_serving(plan, report, seconds=seconds))
    report(CheckRow(name="memory of serving", values={"peak_gib": used.peak_gib}))


def _serve_spread(plan: CheckPlan, here: Machine, report: Report, seconds: float) -> None:
    """Serve once more with the model spread over two GPUs, where the first part used one."""
    name = f"tensor parallelism {SPREAD}"
    if plan.tensor_parallel > 1:
        return  # the first part was spread already
    if len(here.devices) < SPREAD:
        detail = f"it needs {SPREAD} GPUs; torch sees {len(here.devices)}"
        report(CheckRow(name=name, outcome="skipped", detail=detail))
        return
    spread = plan.model_copy(update={"tensor_parallel": SPREAD, "in_flight": plan.in_flight[:2]})

    def report_spread(row: CheckRow) -> None:
        report(row.model_copy(update={"name": f"{name}: {row.name}"}))

    asyncio.run(serving.check_serving(spread, report_spread, seconds=seconds))


def _fine_tune(plan: CheckPlan, here: Machine, report: Report, seconds: float) -> None:
    def estimate(shape: ModelShape) -> MemoryPlan:
        profile = resolve_sft_profile("production", {"trained": "lora", "micro_batch": 1}).values
        return sft_memory.estimate_sft_memory(shape, profile, Launch(1))

    refused = _refuse_large(plan, here, "SFT step", estimate)
    report(refused or training_steps.check_sft_step(plan, seconds=seconds))


def _reinforce(plan: CheckPlan, here: Machine, report: Report, seconds: float) -> None:
    def estimate(shape: ModelShape) -> MemoryPlan:
        changes = {"trained": "lora", "micro_batch": 2, "prompts": 1, "generations": 2}
        profile = resolve_grpo_profile("production", 1, changes, on_gpu=True).values
        gpu = Gpus(1, here.memory_bytes, here.host_bytes)
        return grpo_memory.estimate_grpo_memory(shape, profile, 1, Launch(1), gpu)

    refused = _refuse_large(plan, here, "GRPO step", estimate)
    report(refused or training_steps.check_grpo_step(plan, seconds=seconds))


def _refuse_large(
    plan: CheckPlan, here: Machine, name: str, estimate: Callable[[ModelShape], MemoryPlan]
) -> CheckRow | None:
    """Return a skipped row where the planned memory of a step with adapters exceeds one GPU."""
    if plan.on_cpu:
        return None
    config = dummy_checkpoint.build_config(plan.size, plan.layers, plan.words)
    try:
        needed_gib = estimate(ModelShape(config, sizes.build_on_meta(config), CheckpointCard())).peak_bytes / GIB
    except BadSettings as error:
        return CheckRow(name=name, outcome="skipped", detail=error.detail)
    if needed_gib <= here.memory_gib:
        return None
    detail = f"it needs {needed_gib:.0f} GiB on one GPU, which has {here.memory_gib:g}"
    return CheckRow(name=name, outcome="skipped", detail=detail)


PARTS: Mapping[str, Callable[[CheckPlan, Machine, Report, float], None]] = {
    "serving": _serve,
    f"tensor parallelism {SPREAD}": _serve_spread,
    "SFT step": _fine_tune,
    "GRPO step": _reinforce,
}
