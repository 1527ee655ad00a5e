"""One step of the way from images to a served checkpoint, as it would run."""

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from training.common.machine import GIB, Gpus
from training.dry_run.disk import DiskPlan
from training.dry_run.step_memory import MemoryPlan, RunMemory, format_parts

BILLION = 10**9
WIDTH = 120
_INDENT = " " * 11


@dataclass(frozen=True, slots=True)
class DryStep:
    """A verb with its command line, values, files and memory; `refusal` says why it cannot run, and what can.

    A step with `memory` loads a model on `gpus_used` GPUs and may take `gpu_limit_bytes` of each; `loads` says what.
    """

    title: str
    command: Sequence[str]
    reads: Sequence[str]
    writes: Sequence[str]
    values: Mapping[str, object] = field(default_factory=dict)
    loads: str = ""
    memory: RunMemory | None = None
    gpus_used: int = 0
    gpu_limit_bytes: int = 0
    disk: DiskPlan | None = None
    notes: Sequence[str] = ()
    refusal: str | None = None

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)

    def to_json(self) -> dict[str, object]:
        """Return the step for programs; memory in bytes on each GPU, and in the machine (`host`)."""
        gpu, host = (self.memory.gpu, self.memory.host) if self.memory else (None, None)
        return {
            "step": self.title,
            "command": self.command_line,
            "reads": list(self.reads),
            "writes": list(self.writes),
            "values": dict(self.values),
            "loads": self.loads or None,
            "gpus_used": self.gpus_used,
            "gpu_limit_bytes": self.gpu_limit_bytes or None,
            "memory_bytes": {name: dict(parts) for name, parts in gpu.phases.items()} if gpu else None,
            "peak_bytes": gpu.peak_bytes if gpu else None,
            "host_memory_bytes": {name: dict(parts) for name, parts in host.phases.items()} if host else None,
            "host_peak_bytes": host.peak_bytes if host else None,
            "disk_bytes": self.disk.peak_bytes if self.disk else None,
            "notes": list(self.notes),
            "refusal": self.refusal,
        }


def format_step(step: DryStep, gpus: Gpus | None) -> str:
    """Format a step for people: verdict and peaks, command, what it loads where, then the phases and the rest."""
    lines = [f"{step.title}: {_format_verdict(step, gpus)}", f"  $ {step.command_line}"]
    lines += [f"  loads    {step.loads}"] if step.loads else []
    for word, files in (("reads", step.reads), ("writes", step.writes)):
        lines += [f"  {word:8} {'; '.join(files)}"] if files else []
    if step.memory:
        lines += _format_phases("GPU", "GiB on each GPU in each phase:", step.memory.gpu)
        lines += _format_phases("machine", "GiB of its memory in each phase, of all processes:", step.memory.host)
    lines += [f"  disk     {step.disk}"] if step.disk else []
    for note in step.notes:
        lines += _wrap("note", note)
    if step.values:
        lines += _wrap("values", ", ".join(f"{name}={_format(value)}" for name, value in step.values.items()))
    lines += [f"  refused  {step.refusal}"] if step.refusal else []
    return "\n".join(lines)


def _format_verdict(step: DryStep, gpus: Gpus | None) -> str:
    if not step.memory or not gpus:
        return "refused" if step.refusal else "ready, needs no GPU"
    gpu, host = step.memory.gpu.peak_bytes / GIB, step.memory.host.peak_bytes / GIB
    used = "each GPU" if step.gpus_used == gpus.count > 1 else "one GPU" if step.gpus_used == 1 else None
    return (
        f"{'refused' if step.refusal else 'fits'}; at its peak it takes {gpu:.1f} of {step.gpu_limit_bytes / GIB:.1f} "
        f"GiB on {used or f'each of {step.gpus_used} GPUs'} and {host:.1f} of {gpus.usable_host_bytes / GIB:.1f} GiB "
        "of the machine"
    )


def _format_phases(word: str, title: str, plan: MemoryPlan) -> list[str]:
    lines = [f"  {word:8} {title}"]
    for name, parts in plan.phases.items():
        lines += _fill(f"{name:10} {format_parts(parts)}", _INDENT, _INDENT + " " * 18)
    return lines


def _wrap(word: str, text: str) -> list[str]:
    return _fill(text, f"  {word:8} ", _INDENT)


def _fill(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def _format(value: object) -> str:
    """Format a value; a float without the noise of its last digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)
