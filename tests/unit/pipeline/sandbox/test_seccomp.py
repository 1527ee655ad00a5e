"""The filter is run here by a small interpreter, so that the lists of both machines are tested on any of them."""

import mmap
import struct

import pytest

from pipeline.sandbox.seccomp import (
    ALLOW,
    ALLOWED,
    ALLOWED_WITHOUT_EXECUTION,
    CLONE,
    CLONE3,
    CLONE_THREAD,
    JUMP_IF_ANY_BIT,
    JUMP_IF_EQUAL,
    KILL_PROCESS,
    LOAD,
    MACHINES,
    NOT_IMPLEMENTED,
    RETURN,
    Machine,
    assemble,
)

FORBIDDEN = {
    "openat": (257, 56),
    "socket": (41, 198),
    "execve": (59, 221),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "ftruncate": (77, 46),
    "memfd_create": (319, 279),
    "prlimit64": (302, 261),
    "io_uring_setup": (425, 425),
}
machines = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


def run_filter(
    machine: Machine, number: int, *, audit_number: int | None = None, flags: int = 0, protection: int = 0
) -> int:
    """Interpret the filter as the kernel does."""
    call = struct.pack("IIQQQQ", number, audit_number or machine.audit_number, 0, flags, 0, protection)
    instructions = list(struct.iter_unpack("HBBI", assemble(machine)))
    accumulator = place = 0
    while True:
        code, if_true, if_false, operand = instructions[place]
        place += 1
        if code == LOAD:
            (accumulator,) = struct.unpack_from("I", call, operand)
        elif code == JUMP_IF_EQUAL:
            place += if_true if accumulator == operand else if_false
        elif code == JUMP_IF_ANY_BIT:
            place += if_true if accumulator & operand else if_false
        else:
            assert code == RETURN
            return int(operand)


@machines
def test_what_a_decoder_needs_is_allowed(machine: Machine) -> None:
    for numbers in (ALLOWED | ALLOWED_WITHOUT_EXECUTION).values():
        for number in numbers[machine.column :][:1]:
            assert run_filter(machine, number, protection=mmap.PROT_READ | mmap.PROT_WRITE) == ALLOW


@machines
def test_each_other_call_ends_the_process(machine: Machine) -> None:
    for numbers in FORBIDDEN.values():
        assert run_filter(machine, numbers[machine.column]) == KILL_PROCESS
    allowed = [number for number in range(1000) if run_filter(machine, number) == ALLOW]
    assert len(allowed) == sum(machine.column < len(each) for each in (ALLOWED | ALLOWED_WITHOUT_EXECUTION).values())


@machines
def test_memory_is_not_made_executable(machine: Machine) -> None:
    for numbers in ALLOWED_WITHOUT_EXECUTION.values():
        assert run_filter(machine, numbers[machine.column], protection=mmap.PROT_READ | mmap.PROT_EXEC) == KILL_PROCESS


@machines
def test_threads_are_started_and_no_processes(machine: Machine) -> None:
    clone = CLONE[machine.column]
    assert run_filter(machine, clone, flags=CLONE_THREAD | 0x100) == ALLOW
    assert run_filter(machine, clone, flags=0x100) == KILL_PROCESS
    assert run_filter(machine, CLONE3[machine.column], flags=CLONE_THREAD) == NOT_IMPLEMENTED


@machines
def test_calls_of_another_machine_end_the_process(machine: Machine) -> None:
    """Their numbers mean other calls: those of 32 bits, and those of x32, which have a bit of their own."""
    read = ALLOWED["read"][machine.column]
    assert run_filter(machine, read, audit_number=0x40000003) == KILL_PROCESS
    assert run_filter(machine, read | 0x40000000) == KILL_PROCESS
