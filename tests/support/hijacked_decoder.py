"""What untrusted bytes would do if they took a decoder process over: `install` runs in it, before its program.

A file that ends with the name of an attack starts that attack; `later` before the name starts it at the next file. An
attack that reaches what it wants is refused with that as its detail, so a leak would be seen. Other files are decoded.
"""

import ctypes
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.decoding import decode as decoding
from pipeline.errors import ImageRefused
from pipeline.verdict import RgbImage

MARK = b"\nattack "
LATER = "later "
PTRACE_ATTACH = 16
Attack = Callable[[], object]
_true_decode = decoding.decode
_sleeping: list[str] = []


def mark(data: bytes, name: str) -> bytes:
    return data + MARK + name.encode()


def install() -> None:
    decoding.decode = _decode


def _decode(data: bytes, *, max_pixels: int) -> RgbImage:
    name = data.rpartition(MARK)[2].decode() if MARK in data else _sleeping.pop() if _sleeping else ""
    if name.startswith(LATER):
        _sleeping.append(name.removeprefix(LATER))
    elif name and (reached := ATTACKS[name]()) is not None:
        raise ImageRefused(f"the attack reached {str(reached)[:100]}")
    return _true_decode(data, max_pixels=max_pixels)


def _read_environment() -> bytes:
    return Path(f"/proc/{os.getppid()}/environ").read_bytes()


def _read_memory() -> int:
    return os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY)


def _trace_parent() -> int | None:
    return ctypes.CDLL(None).ptrace(PTRACE_ATTACH, os.getppid(), None, None) == 0 or None


def _open_file() -> bytes:
    return Path("/etc/passwd").read_bytes()


def _open_socket() -> socket.socket:
    return socket.socket()


def _fork() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child


def _execute() -> None:
    os.execv("/bin/true", ["true"])  # noqa: S606 - the attack


def _signal_parent() -> str:
    os.kill(os.getppid(), 0)  # the same right as a signal that would end the tests
    return "the parent takes signals"


def _load_code() -> mmap.mmap:
    return mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def _eat_memory() -> list[bytearray]:
    eaten = []
    while True:
        eaten.append(bytearray(1 << 24))


def _write_gigabytes() -> int:
    return os.pwrite(_get_main()["memory_fd"], b"x", 8 << 30)


def _resize_memory() -> None:
    os.ftruncate(_get_main()["memory_fd"], 8 << 30)


def _hang() -> None:
    while True:
        pass


def _break_interpreter() -> None:
    raise TypeError("half broken")


def _reply_falsely(**lie: object) -> Attack:
    """Send a reply with these values ahead of the true one, and enough bytes for the pictures that it describes."""

    def attack() -> None:
        main = _get_main()
        os.pwrite(main["memory_fd"], bytes(1 << 20), 0)
        reply = {"token": main["request"]["token"], "width": 64, "height": 48, "format": "png"}
        main["parent_socket"].send(json.dumps(reply | lie).encode())

    return attack


def _send(message: bytes) -> Attack:
    def attack() -> None:
        _get_main()["parent_socket"].send(message)

    return attack


def _get_main() -> dict[str, Any]:
    """Return the variables of the program that was taken over."""
    frame = sys._getframe()
    while frame.f_code.co_name != "main":
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_locals


FORBIDDEN_CALLS: dict[str, Attack] = {
    "read environment": _read_environment,
    "read memory": _read_memory,
    "trace parent": _trace_parent,
    "open file": _open_file,
    "open socket": _open_socket,
    "fork": _fork,
    "execute": _execute,
    "signal parent": _signal_parent,
    "load code": _load_code,
    "resize memory": _resize_memory,
    "abort": os.abort,
}
LIES: dict[str, Attack] = {
    "larger than the limit": _reply_falsely(width=40_000, height=40_000),
    "larger than the header": _reply_falsely(width=80, height=60),
    "another format": _reply_falsely(format="gif"),
    "more frames than bytes": _reply_falsely(frames=10**9),
    "an error of the store": _reply_falsely(error="image_denied"),
    "another token": _reply_falsely(token="0" * 16),
    "no JSON": _send(b"\xff"),
    "cut": _send(b'{"token": "' + b"x" * 150_000),
}
OTHERS: dict[str, Attack] = {
    "eat memory": _eat_memory,
    "write gigabytes": _write_gigabytes,
    "hang": _hang,
    "break the interpreter": _break_interpreter,
    "reply twice": _reply_falsely(),
}
ATTACKS = FORBIDDEN_CALLS | LIES | OTHERS
