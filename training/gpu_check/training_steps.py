"""Run one step of fine-tuning and one of GRPO at the plan's shape, through the commands that users run."""

import subprocess
import sys
from pathlib import Path

from training.dataset import manifest
from training.gpu_check.machine import MemoryMeter
from training.gpu_check.plan import CheckPlan
from training.gpu_check.rows import CheckRow
from training.gpu_check.serving import read_last_line
from training.runs.run_log import RunLog
from training.synthetic import scene_files

IMAGES = 2
DIFFERENCE = "sampling_logp_difference"
SHOWN = ("step_s", "loss", "reward", DIFFERENCE)


def check_sft_step(plan: CheckPlan, *, seconds: float) -> CheckRow:
    """Fine-tune adapters for one step, on half of the rows of two scenes."""
    rows = ["--rows", str(IMAGES), "--micro-batch", "1", "--epochs", "0.5"]
    data = _draw_scenes(plan, first_seed=0)
    return _run_step(plan, "sft", ["--data", str(data), *rows], plan.work / "sft/sft/log.jsonl", seconds)


def check_grpo_step(plan: CheckPlan, *, seconds: float) -> CheckRow:
    """Train adapters for one step of GRPO; on GPUs vLLM samples the answers in the same process.

    `grpo` itself ends where vLLM sees other prompts or weights than are trained. Random weights never end an answer, so
    cut answers count here; otherwise there would be nothing to compare.
    """
    step = ["--stage", "1", "--steps", "1", "--prompts", "1", "--generations", "2", "--micro-batch", "2"]
    answers = ["--answer-tokens", str(plan.answer_tokens), "--no-mask-truncated"]
    looks = ["--validation-images", "1", "--validation-tokens", str(min(16, plan.answer_tokens))]
    data, validation = _draw_scenes(plan, first_seed=0), _draw_scenes(plan, first_seed=10)
    sets = ["--data", str(data), "--validation-data", str(validation)]
    sampler = ["--generation", "transformers" if plan.on_cpu else "vllm_colocate"]
    options = [*step, *answers, *looks, *sets, *sampler]
    row = _run_step(plan, "grpo", options, plan.work / "grpo/grpo/log.jsonl", seconds)
    if row.outcome != "ok":
        return row
    if plan.on_cpu:
        return row.model_copy(update={"detail": "answers sampled by transformers: colocated vLLM needs a GPU"})
    if DIFFERENCE not in row.values:
        detail = "vLLM's log-probabilities were not compared with the trainer's: TRL no longer logs them"
        return row.model_copy(update={"outcome": "failed", "detail": detail})
    return row


def _draw_scenes(plan: CheckPlan, *, first_seed: int) -> Path:
    directory = plan.work / f"scenes-{first_seed}"
    directory.mkdir(parents=True, exist_ok=True)
    scenes = [scene_files.write_scene(directory, seed) for seed in range(first_seed, first_seed + IMAGES)]
    manifest.write_manifest(directory, scenes)
    return directory


def _run_step(plan: CheckPlan, verb: str, options: list[str], log: Path, seconds: float) -> CheckRow:
    """Run the verb as a child process and read the numbers of its one step."""
    name = {"sft": "SFT step", "grpo": "GRPO step"}[verb]
    dtype = ["--dtype", "float32"] if plan.on_cpu else []  # CPUs multiply bfloat16 slowly
    common = [str(plan.checkpoint), "--out", str(plan.work / verb), "--profile", "production", "--lora", *dtype]
    errors = plan.work / f"{verb}.log"
    with errors.open("wb") as stream, MemoryMeter(on_cpu=plan.on_cpu) as memory:
        command = [sys.executable, "-m", "training", verb, *common, *options]
        try:
            done = subprocess.run(command, stdout=stream, stderr=stream, timeout=max(1.0, seconds), check=False)
        except subprocess.TimeoutExpired:
            return CheckRow(name=name, outcome="failed", detail=f"not done within {seconds:.0f} s; see {errors}")
    if done.returncode:
        return CheckRow(name=name, outcome="failed", detail=f"{read_last_line(errors)} (all of it in {errors})")
    return CheckRow(name=name, values={**read_step(log), "peak_gib": memory.peak_gib})


def read_step(log: Path) -> dict[str, float | str]:
    """Read the numbers of the last step in a run's log."""
    step = RunLog(log).read()[-1]
    return {name: round(step[name], 4) for name in SHOWN if name in step}
