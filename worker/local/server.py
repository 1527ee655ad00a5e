"""One server of the local stack: its ports, its log, its process, and the wait until it answers."""

import json
import random
import secrets
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import LocalStackFailed
from worker.local.child_supervisor import SupervisedProcess

Notify = Callable[[str], None]

_HOST = "127.0.0.1"
_READY_TIMEOUT_S = 120.0  # a few seconds on an idle machine
_POLL_INTERVAL_S = 0.1
_LOG_LINES = 15
# Below the range that the kernel uses for outgoing connections.
_PORTS = range(20000, 32000)
_RESERVED: set[int] = set()  # chosen in this process, perhaps not open yet


class LocalServer:
    """A server process with a directory that keeps its ports and data for the next start.

    The first of `ports` is the clients'; `fixed` are ports that the user chose (0: any). `remove` is deleted if we die
    without stopping the server.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        ports: Sequence[str],
        fixed: Mapping[str, int] | None = None,
        grace_s: float = 10.0,
        ready_timeout_s: float = _READY_TIMEOUT_S,
        remove: Path | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.directory = directory.resolve()
        self.log = self.directory / "server.log"
        self.ports = _choose_ports(self.directory / "ports.json", ports, fixed or {})
        self._grace_s = grace_s
        self._ready_timeout_s = ready_timeout_s
        self._remove = remove
        self._process: SupervisedProcess | None = None

    @property
    def process(self) -> SupervisedProcess:
        """The running server."""
        assert self._process is not None, f"{self.name} was not launched"
        return self._process

    def launch(self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
        """Start the process and return before it answers. Raises: LocalStackFailed."""
        for port in self.ports.values():
            if not _is_free(port):
                raise LocalStackFailed(f"{self.name} cannot start: port {port} is in use (by another `zoomin up`?)")
        self._process = SupervisedProcess(
            [str(word) for word in argv],
            cwd=self.directory,
            output=self.log,
            env=env,
            grace_s=self._grace_s,
            remove=self._remove,
        )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until the clients' port is open and a client's call succeeds. Raises: LocalStackFailed."""
        port = next(iter(self.ports.values()))
        deadline = time.monotonic() + self._ready_timeout_s
        while not (_is_listening(port) and is_ready()):  # clients log each refused connection
            code = self.process.returncode
            if code is not None:
                self.stop()
                raise self.build_error(f"{self.name} ended with code {code} while it started")
            if time.monotonic() > deadline:
                self.stop()
                raise self.build_error(f"{self.name} did not answer within {self._ready_timeout_s:.0f} s")
            time.sleep(_POLL_INTERVAL_S)

    def check(self) -> None:
        """Raise LocalStackFailed if the server has ended by itself."""
        if self.process.returncode is not None:
            raise self.build_error(f"{self.name} ended with code {self.process.returncode}")

    def build_error(self, sentence: str) -> LocalStackFailed:
        """Build an error with the end of the log, without Java stack frames, and the path of the log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        lines = [line for line in lines if not line.startswith("\tat ")]
        return LocalStackFailed("\n".join([f"{sentence}; the end of {self.log}:", *lines[-_LOG_LINES:]]))

    def stop(self) -> None:
        """Terminate the server, kill it after its grace period, and return when it is gone."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill the server as a crash does, and return when it is gone."""
        self.process.kill()

    def freeze(self) -> None:
        """Suspend the server: its connections stay open, and it does not answer."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send(signal.SIGCONT)


def _choose_ports(file: Path, names: Sequence[str], fixed: Mapping[str, int]) -> dict[str, int]:
    """Choose for each name the user's port, else that of the last start, else a free one; save them in `file`."""
    saved: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = fixed.get(name) or saved.get(name) or find_free_port()
    file.write_text(json.dumps(ports))
    return ports


def load_or_create_secret(file: Path, *, size_bytes: int) -> str:
    """Return the secret of the last start, else a random one in hex, saved where only this user reads it."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(size_bytes))
    return file.read_text()


def find_free_port() -> int:
    """Find a port on loopback that is free and was not chosen before in this process. Raises: LocalStackFailed."""
    candidates = (random.choice(_PORTS) for _ in range(len(_PORTS)))
    port = next((port for port in candidates if port not in _RESERVED and _is_free(port)), None)
    if port is None:
        raise LocalStackFailed(f"no free port on {_HOST} between {_PORTS.start} and {_PORTS.stop}")
    _RESERVED.add(port)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections may linger
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((_HOST, port)) == 0
