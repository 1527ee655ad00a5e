import random
import socket
from pathlib import Path

import pytest

from pipeline.errors import LocalStackFailed
from worker.local.server import LocalServer


def test_ports_are_distinct_and_remembered(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    ports = LocalServer("Server", tmp_path, ports=names).ports
    assert len(set(ports.values())) == 3
    assert LocalServer("Server", tmp_path, ports=names).ports == ports


def test_servers_that_do_not_listen_yet_have_different_ports(tmp_path: Path) -> None:
    state, ports = random.getstate(), []
    try:
        for name in ("one", "other"):
            random.seed(1)  # both would choose the same
            ports += LocalServer(name, tmp_path / name, ports=["a", "b"]).ports.values()
    finally:
        random.setstate(state)
    assert len(set(ports)) == 4


def test_a_port_that_the_user_fixed_wins_over_the_remembered_one(tmp_path: Path) -> None:
    before = LocalServer("Server", tmp_path, ports=["a", "b"]).ports
    after = LocalServer("Server", tmp_path, ports=["a", "b"], fixed={"a": 9}).ports
    assert after == {"a": 9, "b": before["b"]}


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = LocalServer("Server", tmp_path, ports=["a"], fixed={"a": port})
        with pytest.raises(LocalStackFailed, match=f"Server cannot start: port {port} is in use"):
            server.launch(["true"])


def test_a_failure_shows_the_end_of_the_log_and_its_path(tmp_path: Path) -> None:
    server = LocalServer("Server", tmp_path, ports=[])
    server.log.write_text("".join(f"line {number}\n" for number in range(100)))
    detail = server.build_error("Server broke").detail
    assert detail.startswith(f"Server broke; the end of {server.log}:")
    assert detail.endswith("line 99")
    assert "line 50" not in detail
