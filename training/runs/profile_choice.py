"""The profile that a command line chooses, with the values that it changes, and values back as flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.runs.profiles import ProfileName
from training.runs.run_file import NO_FILE, RunFile


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """The name of a profile, the values that flags change, and the run file that changes others."""

    name: ProfileName
    changes: Mapping[str, Any]
    file: RunFile = NO_FILE


def render_flags(changes: Mapping[str, Any]) -> list[str]:
    """Return values of a profile as words of a command line."""
    return [word for name, value in changes.items() for word in _render_flag(name.replace("_", "-"), value)]


def _render_flag(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, tuple):  # rewards with their weights
        return [f"--{flag}", ",".join(f"{reward}={weight:g}" for reward, weight in value)]
    return ["--lora"] if (flag, value) == ("trained", "lora") else [f"--{flag}", str(value)]
