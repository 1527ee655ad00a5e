"""`zoomin-train` that stops itself before it writes a file, so that a test can kill it exactly there.

python -m tests.support.processes.halting_run checkpoint-4/clock.json sft MODEL ...
"""

import os
import signal
import sys

from training.__main__ import main


def halt_before(file: str) -> None:
    """Send SIGSTOP to this process when it opens a path that ends with `file`."""

    def halt(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(file):
            os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(halt)


if __name__ == "__main__":
    halt_before(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
