"""A training verb as a dry run and the check before a run see it: command line, memory on GPUs, disk, and a refusal."""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import BadSettings
from training.common.machine import GIB, USABLE_FRACTION, Gpus
from training.dry_run import disk, fitting, grpo_memory, host_memory, sft_memory
from training.dry_run.fitting import Changes, Fit
from training.dry_run.launch import Launch, list_launches
from training.dry_run.shape import ModelShape
from training.dry_run.step import BILLION, DryStep
from training.dry_run.step_memory import RunMemory
from training.grpo.profiles import GrpoProfile, Stage, resolve_grpo_profile
from training.runs import processes, profile_choice
from training.runs.profile_choice import ProfileChoice
from training.runs.profiles import ResolvedProfile, TrainingProfile
from training.sft.profiles import SftProfile, resolve_sft_profile

ENGINE = "vLLM beside the trainer: "
_SMALLER: tuple[Changes, ...] = ({"micro_batch": 1}, {"trained": "lora"}, {"trained": "lora", "micro_batch": 1})


@dataclass(frozen=True, slots=True)
class TrainingVerb:
    """One training verb with the words of its command line, and how values become a profile and a profile memory.

    `describe` gives sentences about a launched profile; `smaller` are changes that save memory, the least harmful
    first.
    """

    title: str
    shape: ModelShape
    words: Sequence[str]
    choice: ProfileChoice
    reads: Sequence[str]
    out: str
    resolve: Callable[[Changes], ResolvedProfile[Any]]
    estimate: Callable[[Any, Launch], RunMemory]
    describe: Callable[[Any, Launch], list[str]]
    smaller: Sequence[Changes]

    def estimate_changed(self, changes: Changes, launch: Launch) -> RunMemory:
        """Estimate the memory with changed values. Raises: BadSettings."""
        return self.estimate(self.resolve(changes).values, launch)

    def render(self, changes: Changes, launch: Launch) -> list[str]:
        """Return the command line of the verb, launched this way."""
        return [*launch.build_launcher(), *self.words, *profile_choice.render_flags(changes)]


def describe_sft(
    shape: ModelShape, words: Sequence[str], choice: ProfileChoice, *, reads: Sequence[str], out: str
) -> TrainingVerb:
    """Describe a run of `sft`; `words` are its command line."""

    def resolve(changes: Changes) -> ResolvedProfile[SftProfile]:
        return resolve_sft_profile(choice.name, {**choice.changes, **changes}, choice.file)

    def estimate(profile: SftProfile, launch: Launch) -> RunMemory:
        processes.count_batches(profile.rows, at_once=profile.micro_batch, devices=launch.devices)
        return RunMemory(
            sft_memory.estimate_sft_memory(shape, profile, launch),
            host_memory.estimate_sft_host(shape, profile, launch),
        )

    return TrainingVerb("sft", shape, words, choice, reads, out, resolve, estimate, lambda *_: [], _SMALLER)


def describe_grpo(
    shape: ModelShape,
    words: Sequence[str],
    choice: ProfileChoice,
    stage: Stage,
    gpus: Gpus,
    *,
    reads: Sequence[str],
    out: str,
) -> TrainingVerb:
    """Describe a run of one stage of `grpo`; `words` are its command line."""

    def resolve(changes: Changes) -> ResolvedProfile[GrpoProfile]:
        return resolve_grpo_profile(choice.name, stage, {**choice.changes, **changes}, choice.file, on_gpu=True)

    def estimate(profile: GrpoProfile, launch: Launch) -> RunMemory:
        processes.count_batches(
            profile.answers, at_once=profile.micro_batch, devices=launch.devices, answers=profile.generations
        )
        has_reference = grpo_memory.needs_reference(profile)
        return RunMemory(
            grpo_memory.estimate_grpo_memory(shape, profile, stage, launch, gpus),
            host_memory.estimate_grpo_host(shape, profile, stage, launch, has_reference=has_reference),
        )

    def describe(profile: GrpoProfile, launch: Launch) -> list[str]:
        engine = grpo_memory.plan_engine(shape, profile, launch, gpus)
        asked = profile.answers // launch.devices * (engine.tensor_parallel_size if engine else 1)
        server = f"the vLLM server at {profile.server_url} needs GPUs of its own, besides those of this plan"
        served = [server] if profile.generation == "vllm_server" else []
        reference = f"the start stays beside the model as its reference (--beta {profile.beta:g})"
        return [
            *([f"{ENGINE}{engine}; it is asked for {asked} answers at once"] if engine else []),
            *served,
            *([reference] if grpo_memory.needs_reference(profile) else []),
        ]

    title = f"grpo stage {stage}"
    smaller = [*_SMALLER, *({**changes, "generation": "transformers"} for changes in (fitting.AS_ASKED, *_SMALLER))]
    return TrainingVerb(title, shape, words, choice, reads, out, resolve, estimate, describe, smaller)


def plan_training(verb: TrainingVerb, gpus: Gpus, launches: Sequence[Launch]) -> DryStep:
    """Plan a run in the first of the launches that fits, or refuse it with what does.

    Raises: BadSettings when the values cannot work on any number of GPUs.
    """
    try:
        way = fitting.choose_fit(fitting.try_launches(verb.estimate_changed, fitting.AS_ASKED, launches), gpus)
    except BadSettings as error:
        return _refuse_values(verb, launches[-1], "; ".join(filter(None, (error.detail, _name_cure(verb, gpus)))))
    profile = verb.resolve(fitting.AS_ASKED).values
    files = disk.estimate_disk(verb.shape, profile)
    return DryStep(
        title=verb.title,
        command=verb.render(fitting.AS_ASKED, way.launch),
        reads=verb.reads,
        writes=[verb.out],
        values=_show_values(profile),
        loads=_describe_model(verb.shape, profile, way.launch),
        memory=way.memory,
        gpus_used=way.launch.devices,
        gpu_limit_bytes=gpus.usable_bytes,
        disk=files,
        notes=verb.describe(profile, way.launch),
        refusal=None if way.fits(gpus) else _explain_shortage(verb, way, gpus),
    )


def _refuse_values(verb: TrainingVerb, launch: Launch, refusal: str) -> DryStep:
    command = verb.render(fitting.AS_ASKED, launch)
    return DryStep(verb.title, command, reads=verb.reads, writes=[verb.out], refusal=refusal)


def _explain_shortage(verb: TrainingVerb, way: Fit, gpus: Gpus) -> str:
    """Return what the run needs too much of, on each GPU and in the machine, and the command that fits."""
    gpu, host = way.memory.gpu, way.memory.host
    needs = [
        f"{plan.describe_peak()} {place} and may take {usable / GIB:.1f} of {memory / GIB:.1f}"
        for place, plan, usable, memory in (
            ("on each GPU", gpu, gpus.usable_bytes, gpus.memory_bytes),
            ("of the machine's memory", host, gpus.usable_host_bytes, gpus.host_bytes),
        )
        if plan.peak_bytes > usable
    ]
    cure = _name_cure(verb, gpus) or f"no change makes it fit {gpus.describe_machine()}: use more or larger ones"
    enough = math.ceil(host.peak_bytes / USABLE_FRACTION / GIB)
    machine = f"; unchanged, it fits a machine of {enough} GiB" if gpu.peak_bytes <= gpus.usable_bytes else ""
    return f"{verb.title}, {way.launch}, needs {', and '.join(needs)}; {cure}{machine}"


def _name_cure(verb: TrainingVerb, gpus: Gpus) -> str | None:
    """Return a clause with the command that fits these GPUs; None where there is none."""
    every = [fitting.AS_ASKED, *verb.smaller]
    way = fitting.find_fit(verb.estimate_changed, every, list_launches(gpus.count), gpus)
    if way is None:
        return None
    notes = verb.describe(verb.resolve(way.changes).values, way.launch)
    engine = "".join(f" ({note})" for note in notes if note.startswith(ENGINE))
    command = shlex.join(verb.render(way.changes, way.launch))
    return (
        f"this fits with {way.memory.gpu.peak_bytes / GIB:.1f} GiB on each GPU and "
        f"{way.memory.host.peak_bytes / GIB:.1f} GiB of the machine{engine}: {command}"
    )


def _describe_model(shape: ModelShape, profile: TrainingProfile, launch: Launch) -> str:
    counted = shape.count_parameters(profile)
    adapters = f" with adapters of {counted.trained / BILLION:.2f} billion" if profile.trained == "lora" else ""
    return f"{counted.all / BILLION:.2f} billion parameters in {profile.dtype}{adapters}, {launch}"


def _show_values(profile: TrainingProfile) -> dict[str, object]:
    values = profile.model_dump()
    return {name: dict(value) if name == "stage_rewards" else value for name, value in values.items()}
