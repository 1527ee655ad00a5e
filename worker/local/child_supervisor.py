"""A server as a child process that ends when we end, however we end.

Between us and the server stands a small watcher process, this same file run as a script. It holds the reading end of a
pipe from us and asks who its parent is: a word in the pipe, its end, or another parent (we were killed while a fork of
ours still held the pipe open) makes it stop the server's process group. It shares no terminal with us, so Ctrl-C
reaches the server only as our decision.
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

_LOOK_EVERY_S = 0.2


class GuardedProcess:
    """Our end of it: asks the server to stop, kills it, freezes it, knows how it ended.

    `grace_s` is how long it may take to stop by itself. `remove` names a directory that is deleted when we die without
    stopping it; after an orderly stop the directory is the caller's affair.
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
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, *options, "--", *argv],
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as line:
            told = line.readline()
        self._server_pid = int(told) if told else None

    @property
    def pid(self) -> int | None:
        """The server's own process id, also that of its process group; None if it could not be started."""
        return self._server_pid

    @property
    def returncode(self) -> int | None:
        """The server's exit code (negative: the signal that ended it), None while it runs."""
        code = self._guard.poll()
        return None if code is None else (128 - code if code > 128 else code)

    def stop(self) -> None:
        """Ask the server to end, insist after its grace, and return when it is gone."""
        assert self._guard.stdin is not None
        try:
            with self._guard.stdin as pipe:
                pipe.write(b"stop\n")
        except (BrokenPipeError, ValueError):
            pass  # it ended by itself, or was stopped before
        self._guard.wait(timeout=self._grace_s + 10)

    def kill(self) -> None:
        """SIGKILL, as a crash would have it; returns when it is gone."""
        self.send(signal.SIGKILL)
        self.stop()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server's whole process group: SIGSTOP freezes it, SIGCONT lets it go on."""
        if self._server_pid is not None and self.returncode is None:
            os.killpg(self._server_pid, number)


def _end(server: subprocess.Popen[bytes], grace_s: float) -> None:
    _signal_group(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(timeout=grace_s)
    _signal_group(server.pid, signal.SIGKILL)  # also for what the server started and left behind
    server.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _watch(server: subprocess.Popen[bytes], parent: int) -> bool:
    """Wait until the server ends or is to end; true if that is because the parent died."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked.append(received))
    while server.poll() is None and not asked:
        if os.getppid() != parent:
            return True
        if select.select([sys.stdin], [], [], _LOOK_EVERY_S)[0]:
            return not os.read(sys.stdin.fileno(), 64)
    return False


def main() -> int:
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
    sys.exit(main())
