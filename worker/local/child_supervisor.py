"""Child processes that always end with us, even if we are killed.

A supervisor process, this same file run as a script, is the parent of the server. It reads a pipe from us and checks
its own parent. It stops the server's process group on a line in the pipe, on the end of the pipe, or on a new parent
(we were killed while a fork of ours still holds the pipe open). It runs in a session of its own, so Ctrl-C on our
terminal does not reach the server.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_POLL_INTERVAL_S = 0.2


class SupervisedProcess:
    """A server process under a supervisor: stops, kills or freezes it and knows its exit code.

    The server has `grace_s` to stop by itself. The directory `remove` is deleted if we die without stopping the server;
    after an orderly stop the caller deletes it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        output: Path,
        grace_s: float = 10.0,
        env: Mapping[str, str] | None = None,
        remove: Path | None = None,
    ) -> None:
        self._grace_s = grace_s
        options = ["--parent", str(os.getpid()), "--grace-s", str(grace_s)]
        if remove is not None:
            options += ["--remove", str(remove)]
        with output.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, *options, "--", *argv],
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as pipe:
            line = pipe.readline()
        self._server_pid = int(line) if line else None

    @property
    def pid(self) -> int | None:
        """The server's own process id, also that of its process group; None if it could not be started."""
        return self._server_pid

    @property
    def returncode(self) -> int | None:
        """The server's exit code (negative: the signal that ended it), None while it runs."""
        code = self._supervisor.poll()
        return None if code is None else (128 - code if code > 128 else code)

    def stop(self) -> None:
        """Terminate the server, kill it after `grace_s`, and return when it is gone."""
        assert self._supervisor.stdin is not None
        try:
            with self._supervisor.stdin as pipe:
                pipe.write(b"stop\n")
        except (BrokenPipeError, ValueError):
            pass  # the server ended by itself, or was stopped before
        self._supervisor.wait(timeout=self._grace_s + 10)

    def kill(self) -> None:
        """Kill the server as a crash does, and return when it is gone."""
        self.send(signal.SIGKILL)
        self.stop()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server's whole process group: SIGSTOP freezes it, SIGCONT lets it go on."""
        if self._server_pid is not None and self.returncode is None:
            os.killpg(self._server_pid, number)


def _end(server: subprocess.Popen[bytes], grace_s: float) -> None:
    _send_signal(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(timeout=grace_s)
    _send_signal(server.pid, signal.SIGKILL)  # also for processes that the server left behind
    server.wait()


def _send_signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _watch(server: subprocess.Popen[bytes], parent: int) -> bool:
    """Wait until the server ends or is to end; true if that is because the parent died."""
    received_signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: received_signals.append(received))
    while server.poll() is None and not received_signals:
        if os.getppid() != parent:
            return True
        if select.select([sys.stdin], [], [], _POLL_INTERVAL_S)[0]:
            return not os.read(sys.stdin.fileno(), 64)
    return False


def supervise() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--grace-s", type=float, required=True)
    parser.add_argument("--remove", type=Path)
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()
    try:
        server = subprocess.Popen(options.argv, stdin=subprocess.DEVNULL, stdout=sys.stderr, process_group=0)
    except OSError as error:
        sys.stderr.write(f"{options.argv[0]} cannot be started: {error}\n")
        return 127
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.close()
    orphaned = _watch(server, options.parent)
    _end(server, 0.0 if orphaned else options.grace_s)
    if orphaned and options.remove is not None:
        shutil.rmtree(options.remove, ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


if __name__ == "__main__":
    sys.exit(supervise())
