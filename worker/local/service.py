"""A service of the local stack: one `LocalServer` that starts, stops and is killed in the same way for each of them."""

from abc import ABC, abstractmethod
from typing import Self

from worker.local.server import LocalServer


class LocalService(ABC):
    """A service in a process of its own; a subclass launches the process and asks it with a client of its kind."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server

    @abstractmethod
    def launch(self) -> None:
        """Start the process and return before it answers. Raises: LocalStackFailed."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Return whether a client's call succeeds."""

    def wait_until_ready(self) -> None:
        """Wait until the service answers. Raises: LocalStackFailed."""
        self.server.wait_until(self._is_ready)

    def start(self) -> Self:
        """Start the process and wait until it answers. Raises: LocalStackFailed."""
        self.launch()
        self.wait_until_ready()
        return self

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()
