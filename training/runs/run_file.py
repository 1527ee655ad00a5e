"""Run files: YAML that changes values of a profile (`--config FILE`), and one sentence for each value that is wrong.

A run file is a mapping from names of values to values; `profile` names the profile that it changes.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import BadSettings

PROFILE = "profile"
# Pydantic's kinds of errors about types, as the value should be.
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "finite": "a finite number",
}


@dataclass(frozen=True, slots=True)
class RunFile:
    """The values that a run file holds; without a path there is none, and it changes nothing."""

    path: Path | None
    profile: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


NO_FILE = RunFile(None)
Model = TypeVar("Model", bound=BaseModel)


def read_run_file(path: Path | None, profiles: Sequence[str] = ()) -> RunFile:
    """Read a run file that may name one of `profiles`.

    Raises: BadSettings when it is no YAML mapping, or names a profile that does not exist.
    """
    if path is None:
        return NO_FILE
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadSettings(f"{path} cannot be read ({error.strerror}); name a YAML file with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise BadSettings(f"{path} is not YAML ({reason}); write one `name: value` a line") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise BadSettings(f"{path} is not a mapping; write one `name: value` a line, as in `learning_rate: 1.0e-5`")
    profile = values.pop(PROFILE, None) if profiles else None
    if profile is not None and profile not in profiles:
        raise BadSettings(f"{path}: {PROFILE} is {profile}; {_suggest(str(profile), profiles)}")
    return RunFile(path, profile, values)


def apply_changes(
    model: type[Model],
    defaults: Mapping[str, Any],
    changes: Mapping[str, Any],
    file: RunFile,
    known: Sequence[str],
) -> Model:
    """Build the model from `changes`, or else the run file's values, or else `defaults`.

    `known` are the names that a run file may hold. Raises: BadSettings with every value that is wrong.
    """
    try:
        return model.model_validate({**defaults, **file.values, **changes})
    except ValidationError as error:
        problems = [_explain_problem(dict(problem), changes, file, known) for problem in error.errors()]
        raise BadSettings("; ".join(problems)) from error


def _explain_problem(
    problem: Mapping[str, Any], changes: Mapping[str, Any], file: RunFile, known: Sequence[str]
) -> str:
    """Return one of pydantic's errors as a clause that names the value and the remedy, and the file it comes from."""
    if not problem["loc"]:  # of several values together
        return (f"{file.path}: " if file.values else "") + str(problem["ctx"]["error"])
    name = str(problem["loc"][0])
    place = f"{file.path}: " if name in file.values and name not in changes else ""
    return place + _explain_value(".".join(map(str, problem["loc"])), problem, known)


def _explain_value(name: str, problem: Mapping[str, Any], known: Sequence[str]) -> str:
    kind, bounds = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{name} is not a value of this run; {_suggest(name, known)}"
    value = f"{name} is {problem['input']}"
    match kind:
        case "greater_than_equal":
            return f"{value}; it must be {bounds['ge']:g} or more"
        case "greater_than":
            return f"{value}; it must be more than {bounds['gt']:g}"
        case "less_than_equal":
            return f"{value}; it must be {bounds['le']:g} or less"
        case "less_than":
            return f"{value}; it must be less than {bounds['lt']:g}"
        case "literal_error":
            choices = [choice.strip("' ") for choice in bounds["expected"].replace(" or ", ", ").split(", ")]
            return f"{value}; {_suggest(str(problem['input']), choices)}"
        case "value_error":
            return f"{value}; {bounds['error']}"
    wanted = _TYPES.get(kind.partition("_")[0])
    return f"{value}; it must be {wanted}" if wanted else f"{value}: {problem['msg']}"


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}"
