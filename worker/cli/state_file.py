"""The file in which a long command notes how far it came, so that the next run goes on from there."""

import os
import tempfile
import time
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import BadSettings

SAVE_INTERVAL_S = 1.0
State = TypeVar("State", bound=BaseModel)


class StateFile(Generic[State]):
    """Holds `state`, which is empty if there is no file yet; without a path it is never written.

    Raises: BadSettings if the file is no state of this command.
    """

    def __init__(self, path: Path | None, empty: State, *, command: str) -> None:
        self.path = path
        self.state = empty
        self._saved_at = time.monotonic()
        if path is None or not path.exists():
            return
        try:
            self.state = type(empty).model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise BadSettings(f"{path} is no state file of `{command}`: name another one, or remove it") from error

    def save(self) -> None:
        """Replace the file atomically, so that a crash leaves the old or the new content. Raises: BadSettings."""
        self._saved_at = time.monotonic()
        if self.path is None:
            return
        folder, prefix = self.path.parent, f".{self.path.name}."
        try:
            with tempfile.NamedTemporaryFile("w", dir=folder, prefix=prefix, delete=False) as file:
                file.write(self.state.model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(self.path)
        except OSError as error:
            raise BadSettings(f"the state cannot be written to {self.path}: {error.strerror}") from error

    def save_now_and_then(self) -> None:
        """Save if the last time was more than a second ago."""
        if time.monotonic() - self._saved_at > SAVE_INTERVAL_S:
            self.save()
