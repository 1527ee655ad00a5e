"""Takes all rights to files, TCP ports, and processes outside from this process, by Landlock.

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

import os
import struct

from pipeline.sandbox import kernel

# The same numbers on every machine.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_RETURN_VERSION = 1
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 5: 0xFFFF}
"""by the version that brought them"""
_TCP_VERSION, _TCP_RIGHTS = 4, 0b11
_SCOPE_VERSION, _SCOPES = 6, 0b11
"""signals and abstract sockets reach only processes that are restricted alike"""


def read_version() -> int:
    """Return the version of this kernel's Landlock. Raises: OSError if it has none."""
    return kernel.call(_CREATE_RULESET, 0, 0, _RETURN_VERSION)


def restrict_self() -> None:
    """Allow nothing of what this kernel's Landlock can forbid; it also forbids to trace and to read other processes.

    Raises: OSError if the kernel has no Landlock.
    """
    version = read_version()
    rights = struct.pack(
        "QQQ",
        max(bits for since, bits in _FILE_RIGHTS.items() if since <= version),
        _TCP_RIGHTS if version >= _TCP_VERSION else 0,
        _SCOPES if version >= _SCOPE_VERSION else 0,
    )
    # Without a rule that allows something, all that the set handles is forbidden.
    ruleset = kernel.call(_CREATE_RULESET, rights, len(rights), 0)
    try:
        kernel.call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
