"""Run a command that ends with the process that started it: `python -m training.common.bound_command COMMAND...`.

A process that is killed cannot end its children. The kernel then sends SIGTERM to this one, in whose place the command
runs by now. Without Linux the command runs unbound.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def bind_command(words: Sequence[str]) -> list[str]:
    """Return the words of a command that ends with this process. Start it from a thread that lives as long."""
    return [sys.executable, "-m", "training.common.bound_command", str(os.getpid()), *words]


def main() -> None:
    parent, *words = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent):  # it ended before the line above
            sys.exit(1)
    os.execvp(words[0], words)  # noqa: S606 - a list of arguments that our own starter wrote


if __name__ == "__main__":
    main()
