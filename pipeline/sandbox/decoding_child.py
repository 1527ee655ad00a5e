"""One decoder process: reads a file from the shared memory, leaves its pixels there, says so.

Started by pipeline/sandbox/decoding.py and by nothing else. It holds no secret, opens nothing, and dies with its
parent, of too much memory, or of an alarm, whichever comes first.
"""

import json
import os
import resource
import signal
import socket
import sys

from PIL import AvifImagePlugin

from pipeline import images
from pipeline.errors import ImageTooLarge, PoisonError

READY = b"ready"
MEBI = 1024 * 1024
PARENT_CHECK_S = 5.0


def main() -> None:
    """Arguments: the parent's pid, descriptors of socket and memory, cap in pixels, limit in MiB, seconds an image."""
    parent, talk_fd, memory_fd, max_pixels, memory_limit_mib, alarm_s = (int(argument) for argument in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mib * MEBI, memory_limit_mib * MEBI))
    talk = socket.socket(fileno=talk_fd)
    talk.settimeout(PARENT_CHECK_S)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the stacks of a thread for each core would count as memory
    talk.send(READY)
    while job := _next_job(talk, parent):
        signal.alarm(alarm_s)
        talk.send(_answer(memory_fd, int(job), max_pixels))
        signal.alarm(0)


def _next_job(talk: socket.socket, parent: int) -> bytes:
    """Empty when there is nobody left to work for: a fork of the parent may hold the socket open after its death."""
    while os.getppid() == parent:
        try:
            return talk.recv(64)
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return b""


def _answer(memory_fd: int, length: int, max_pixels: int) -> bytes:
    try:
        image = images.decode(os.pread(memory_fd, length, 0), max_pixels=max_pixels)
        os.pwrite(memory_fd, image.pixels.tobytes(), 0)
    except PoisonError as error:
        return json.dumps({"error": error.code, "detail": error.detail}).encode()
    except MemoryError:
        return json.dumps({"error": ImageTooLarge("").code, "detail": "its pixels need too much memory"}).encode()
    width, height = image.size_px
    return json.dumps({"width": width, "height": height, "format": image.format, "frames": image.frames}).encode()


if __name__ == "__main__":
    main()
