"""One step of the way from images to a served checkpoint, as it would run."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from training.common.machine import GIB, Gpus
from training.dry_run.disk import DiskPlan
from training.dry_run.step_memory import MemoryPlan


@dataclass(frozen=True, slots=True)
class DryStep:
    """A verb with its command line, values, files and memory; `refusal` says why it cannot run, and what can."""

    title: str
    command: Sequence[str]
    reads: Sequence[str]
    writes: Sequence[str]
    values: Mapping[str, object] = field(default_factory=dict)
    memory: MemoryPlan | None = None
    disk: DiskPlan | None = None
    notes: Sequence[str] = ()
    refusal: str | None = None

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)

    def to_json(self) -> dict[str, object]:
        """Return the step for programs; memory in bytes on each GPU."""
        memory = self.memory
        return {
            "step": self.title,
            "command": self.command_line,
            "reads": list(self.reads),
            "writes": list(self.writes),
            "values": dict(self.values),
            "memory_bytes": {name: dict(parts) for name, parts in memory.phases.items()} if memory else None,
            "peak_bytes": memory.peak_bytes if memory else None,
            "disk_bytes": self.disk.peak_bytes if self.disk else None,
            "notes": list(self.notes),
            "refusal": self.refusal,
        }


def format_step(step: DryStep, gpus: Gpus | None) -> str:
    """Format a step for people."""
    lines = [f"{step.title}: {'refused' if step.refusal else 'fits' if step.memory else 'ready'}"]
    lines += [f"  $ {step.command_line}"]
    for word, files in (("reads", step.reads), ("writes", step.writes)):
        lines += [f"  {word:7} {'; '.join(files)}"] if files else []
    if step.memory and gpus:
        peak, usable = step.memory.peak_bytes / GIB, gpus.usable_bytes / GIB
        lines += [f"  memory  {peak:.1f} GiB on each GPU, of {usable:.1f} that a run may take; GiB of each phase:"]
        lines += [f"    {name:10} {format_parts(parts)}" for name, parts in step.memory.phases.items()]
    lines += [f"  note    {note}" for note in step.notes]
    if step.values:
        lines += [f"  values  {', '.join(f'{name}={_format(value)}' for name, value in step.values.items())}"]
    if step.refusal:
        lines += [f"  refused {step.refusal}"]
    return "\n".join(lines)


def _format(value: object) -> str:
    """Format a value; a float without the noise of its last digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_parts(parts: Mapping[str, int]) -> str:
    """Format the parts of a phase in GiB, with their sum."""
    total = sum(parts.values()) / GIB
    return f"{total:.1f} = " + " + ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items())
