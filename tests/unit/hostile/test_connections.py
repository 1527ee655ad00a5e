import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.connections import met, strangers, watching
from tests.hostile.listener import ForbiddenListener


def test_the_listener_remembers_who_came() -> None:
    with ForbiddenListener() as listener:
        with socket.create_connection(("127.0.0.1", listener.port), timeout=60) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stranger.recv(100).startswith(b"HTTP/1.1 200")
        assert listener.requests == [b"GET / HTTP/1.1\r\n\r\n"]


def test_nobody_came() -> None:
    with ForbiddenListener() as listener:
        pass
    assert listener.requests == []


@pytest.mark.parametrize("through", ["", "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"])
def test_connections_and_names_are_noted_in_a_process_and_its_children(tmp_path: Path, through: str) -> None:
    watch = tmp_path / "watch"
    variables = watching(watch)
    with ForbiddenListener() as listener:
        program = f"import socket; socket.create_connection(('127.0.0.1', {listener.port})).close()"
        command = ["-c", through, program] if through else ["-c", program]
        subprocess.run([sys.executable, *command], env={**os.environ, **variables}, check=True, timeout=60)
        assert met(watch) == {"127.0.0.1", f"127.0.0.1:{listener.port}"}
        assert strangers(watch, allowed=["127.0.0.1"]) == [f"127.0.0.1:{listener.port}"]


def test_a_quiet_process_is_no_stranger(tmp_path: Path) -> None:
    variables = watching(tmp_path / "watch")
    subprocess.run([sys.executable, "-c", ""], env={**os.environ, **variables}, check=True, timeout=60)
    assert strangers(tmp_path / "watch", allowed=[]) == []
