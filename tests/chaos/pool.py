"""The worker processes of a round: one that ends is replaced, and one that ends unasked is noted."""

import signal
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.processes.worker_process import WorkerProcess

STOPPED_WITHIN_S = 60.0


class Pool:
    """`start` launches a worker; `ended_badly` says who left unasked, or not as it was asked to."""

    def __init__(self, start: Callable[[], WorkerProcess], *, size: int) -> None:
        self._build = start
        self._started: list[WorkerProcess] = []
        self.members = [self._start() for _ in range(size)]
        self.ended_badly: list[str] = []
        for member in self.members:
            member.wait_until_started()

    def _start(self) -> WorkerProcess:
        self._started.append(self._build())
        return self._started[-1]

    def look(self) -> None:
        """Replaces those that ended though nobody asked them to."""
        for slot, member in enumerate(self.members):
            if not member.running:
                self._blame(member, f"ended by itself with code {member.wait_until_ended(0)}")
                self.members[slot] = self._start()

    def kill(self, slot: int) -> None:
        self.members[slot].signal(signal.SIGKILL)
        self.members[slot].wait_until_ended(STOPPED_WITHIN_S)

    def stop(self, slot: int) -> None:
        self._stop(self.members[slot])

    def replace(self, slot: int) -> None:
        self.members[slot] = self._start().wait_until_started()

    def join(self) -> None:
        self.members.append(self._start().wait_until_started())

    def leave(self) -> None:
        self._stop(self.members.pop())

    def stop_all(self) -> None:
        """All at once, as a deployment is taken down."""
        for member in self._running():
            member.signal(signal.SIGTERM)
        for member in self.members:
            self._await_stop(member)

    def read_logs(self) -> list[dict[str, Any]]:
        """Read the lines of all workers, also of those that were replaced."""
        return [line for worker in self._started for line in worker.read_log()]

    def end(self) -> None:
        for member in self._running():
            member.signal(signal.SIGKILL)
            member.wait_until_ended(STOPPED_WITHIN_S)

    def _running(self) -> Iterable[WorkerProcess]:
        return [member for member in self.members if member.running]

    def _stop(self, member: WorkerProcess) -> None:
        member.signal(signal.SIGTERM)
        self._await_stop(member)

    def _await_stop(self, member: WorkerProcess) -> None:
        try:
            code = member.wait_until_ended(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            member.signal(signal.SIGKILL)
            code = member.wait_until_ended(STOPPED_WITHIN_S)
        if code:
            self._blame(member, f"was asked to stop and ended with code {code}")

    def _blame(self, member: WorkerProcess, what: str) -> None:
        last = member.log.read_text(errors="replace")[-1500:]
        self.ended_badly.append(f"a worker {what}; the end of {member.log}:\n{last}")
