"""Calls of Linux that Python's library does not have, by ctypes."""

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


def call(number: int, *arguments: int | bytes | ctypes.Structure) -> int:
    """Make the system call with this number; bytes and structures are passed by their address. Raises: OSError."""
    return _check(_LIBC.syscall(ctypes.c_long(number), *map(_convert_argument, arguments)))


def hide_from_others() -> None:
    """Forbid other processes of this user to read, trace and dump this one. Raises: OSError."""
    _check(_LIBC.prctl(_PR_SET_DUMPABLE, *map(ctypes.c_ulong, (0, 0, 0, 0))))


def forbid_new_privileges() -> None:
    """Make programs that this process starts as weak as it is. Raises: OSError."""
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))


def enter_new_namespaces(flags: int) -> None:
    """Enter new ones alone. Raises: OSError."""
    _check(_LIBC.unshare(flags))


def drop_capabilities() -> None:
    """Drop those in effect, those permitted and those inherited. Raises: OSError."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_LIBC.capset(header, (ctypes.c_uint32 * 6)()))


def _convert_argument(argument: int | bytes | ctypes.Structure) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.byref(argument)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
