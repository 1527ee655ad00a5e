"""Each layer alone keeps out what it is for; one that this kernel refuses is skipped by its name."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from pipeline.sandbox import landlock
from pipeline.sandbox.confinement import LAYERS

PROGRAM = """
import ctypes, json, os, resource, socket, sys
from pipeline.sandbox import confinement

layers = sys.argv[1].split()
confinement.LAYERS = {name: confinement.LAYERS[name] for name in layers}
parent = os.getppid()

def connect():
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))

ATTEMPTS = {
    "environment": lambda: open(f"/proc/{parent}/environ").close(),
    "memory": lambda: open(f"/proc/{parent}/mem").close(),
    "file": lambda: open("/etc/passwd").close(),
    "socket": lambda: socket.socket().close(),
    "connection": connect,
    "signal": lambda: os.kill(parent, 0),
    "status": lambda: open("/proc/self/status").read(),
    "limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
}

def attempt(name):
    try:
        return ATTEMPTS[name]() or "reached"
    except OSError as error:
        return os.strerror(error.errno)
    except ValueError as error:
        return str(error)

refusals = {name: refusal for name, refusal in confinement.confine().items() if refusal}
results = {name: attempt(name) for name in sys.argv[2].split()}
os.write(1, json.dumps([refusals, results]).encode())
"""
PR_GET_DUMPABLE = 3
DENIED = {"Permission denied", "Operation not permitted"}


def attempt(layers: str, attempts: str) -> dict[str, Any]:
    """Return what the attempts reached in a process with these layers alone."""
    command = [sys.executable, "-c", PROGRAM, layers, attempts]
    # Coverage would write a file at the end of a process that may not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    finished = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    assert not finished.stderr, finished.stderr.decode()
    if finished.returncode:
        return {"signal": -finished.returncode}
    refusals, results = json.loads(finished.stdout)
    for name, refusal in refusals.items():
        pytest.skip(f"this kernel refuses the layer {name}: {refusal}")
    return dict(results)


def test_without_a_layer_the_attempts_succeed() -> None:
    results = attempt("", "environment file socket signal limit")
    assert set(results.values()) == {"reached"}


def test_namespaces_hide_processes_and_networks() -> None:
    results = attempt("namespaces", "environment memory connection")
    assert {results["environment"], results["memory"]} <= DENIED
    assert results["connection"] == "Network is unreachable"


def test_landlock_forbids_files_processes_and_connections() -> None:
    results = attempt("no_new_privileges landlock", "environment memory file")
    assert set(results.values()) <= DENIED


@pytest.mark.parametrize(("since", "name"), [(4, "connection"), (6, "signal")])
def test_newer_landlocks_forbid_connections_and_signals(since: int, name: str) -> None:
    results = attempt("no_new_privileges landlock", name)
    if (version := landlock.read_version()) < since:
        pytest.skip(f"this kernel has version {version} of Landlock; from {since} on it forbids a {name}")
    assert results[name] in DENIED


def test_without_descriptors_nothing_is_opened_and_nobody_allows_them_again() -> None:
    results = attempt("capabilities descriptors", "environment file socket limit")
    assert {results["environment"], results["file"], results["socket"]} == {"Too many open files"}
    assert results["limit"] == "not allowed to raise maximum limit"


def test_no_right_of_root_is_left() -> None:
    status = attempt("no_new_privileges capabilities", "status")["status"]
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert values["NoNewPrivs"] == "1"
    assert [int(values[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0, 0, 0, 0]


@pytest.mark.parametrize("call", ["environment", "file", "socket", "signal", "limit"])
def test_seccomp_ends_the_process(call: str) -> None:
    assert attempt("no_new_privileges seccomp", "") == {}
    assert attempt("no_new_privileges seccomp", call) == {"signal": signal.SIGSYS}


def test_all_layers_can_be_applied_in_their_order() -> None:
    assert attempt(" ".join(LAYERS), "") == {}


def test_a_hidden_process_is_not_dumpable() -> None:
    """The kernel keeps others of the same user from a process that is not: from its environment, memory and files."""
    program = (
        "import ctypes; from pipeline.sandbox import kernel; kernel.hide_from_others();"
        f"print(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"0\n"
