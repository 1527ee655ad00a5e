"""Ends this process at each system call that a decoder does not need, by a seccomp filter.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html; the numbers are those of the kernel's unistd.h.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.sandbox import kernel

# Instructions of the classic Berkeley Packet Filter, and what a filter may return.
LOAD, JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, KILL_PROCESS, NOT_IMPLEMENTED = 0x7FFF0000, 0x80000000, 0x00050000 | errno.ENOSYS
# Places in the structure that a filter sees of a call: an argument has 8 bytes, the lower half first.
NUMBER_PLACE, MACHINE_PLACE, FLAGS_PLACE, PROTECTION_PLACE = 0, 4, 16, 16 + 2 * 8
PROT_EXEC = 4
CLONE_THREAD = 0x10000
_SET_FILTER, _ALL_THREADS = 1, 1


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of CPU: its number in the filter, that of the call seccomp, and the column of the tables below."""

    audit_number: int
    seccomp: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 317, 0), "aarch64": Machine(0xC00000B7, 277, 1)}
ALLOWED: dict[str, tuple[int, ...]] = {
    # Messages and pixels: each descriptor was given by the parent.
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "read": (0, 63),
    "write": (1, 64),
    "writev": (20, 66),
    "close": (3, 57),
    # Its memory.
    "brk": (12, 214),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # Its own signals, among them the alarm.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "setitimer": (38, 103),
    "alarm": (37,),
    # Time, locks, chance.
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "time": (201,),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getrandom": (318, 278),
    # Threads of its own, which libheif needs.
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    # Its name and its end.
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
ALLOWED_WITHOUT_EXECUTION = {"mmap": (9, 222), "mprotect": (10, 226)}
"""allowed unless they make memory executable"""
CLONE, CLONE3 = (56, 220), (435, 435)
"""The first may start threads. The filter cannot see what the second would start: without it, glibc uses the first."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def apply_filter() -> None:
    """Filter the calls of all threads of this process until its end. Raises: OSError if the kernel refuses."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(f"there is no list of system calls for {platform.machine()}")
    program = assemble(machine)
    kernel.call(machine.seccomp, _SET_FILTER, _ALL_THREADS, _Program(len(program) // 8, program))


def assemble(machine: Machine) -> bytes:
    """Return the filter, 8 bytes for each instruction: its code, jumps if true and if false, its number."""
    return b"".join(
        (
            _encode(LOAD, MACHINE_PLACE),
            _encode(JUMP_IF_EQUAL, machine.audit_number, if_true=1),
            _encode(RETURN, KILL_PROCESS),
            _encode(LOAD, NUMBER_PLACE),
            *map(_allow, _list_numbers(ALLOWED, machine)),
            *map(_allow_without_execution, _list_numbers(ALLOWED_WITHOUT_EXECUTION, machine)),
            *_allow_threads(CLONE[machine.column]),
            _encode(JUMP_IF_EQUAL, CLONE3[machine.column], if_false=1) + _encode(RETURN, NOT_IMPLEMENTED),
            _encode(RETURN, KILL_PROCESS),
        )
    )


def _list_numbers(calls: Mapping[str, tuple[int, ...]], machine: Machine) -> Iterator[int]:
    return (numbers[machine.column] for numbers in calls.values() if machine.column < len(numbers))


def _allow(number: int) -> bytes:
    return _encode(JUMP_IF_EQUAL, number, if_false=1) + _encode(RETURN, ALLOW)


def _allow_without_execution(number: int) -> bytes:
    return b"".join(
        (
            _encode(JUMP_IF_EQUAL, number, if_false=4),
            _encode(LOAD, PROTECTION_PLACE),
            _encode(JUMP_IF_ANY_BIT, PROT_EXEC, if_false=1),
            _encode(RETURN, KILL_PROCESS),
            _encode(RETURN, ALLOW),
        )
    )


def _allow_threads(number: int) -> tuple[bytes, ...]:
    return (
        _encode(JUMP_IF_EQUAL, number, if_false=4),
        _encode(LOAD, FLAGS_PLACE),
        _encode(JUMP_IF_ANY_BIT, CLONE_THREAD, if_true=1),
        _encode(RETURN, KILL_PROCESS),
        _encode(RETURN, ALLOW),
    )


def _encode(code: int, number: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, number)
