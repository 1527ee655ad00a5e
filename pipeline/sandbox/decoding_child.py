"""Run as a decoder process: read a file from the shared memory, decode it, write its pixels there, and answer.

Started by pipeline/sandbox/decoder.py and by nothing else. The process holds no secret and opens no file. It ends with
its parent, at its memory limit, or by an alarm, whichever comes first.
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
    """Take as arguments the parent's pid, descriptors of socket and memory, and limits in pixels, MiB and seconds."""
    parent, socket_fd, memory_fd, max_pixels, memory_limit_mib, alarm_s = (int(argument) for argument in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mib * MEBI, memory_limit_mib * MEBI))
    parent_socket = socket.socket(fileno=socket_fd)
    parent_socket.settimeout(PARENT_CHECK_S)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a thread for each core would need memory for its stack
    parent_socket.send(READY)
    while job := _receive_job(parent_socket, parent):
        signal.alarm(alarm_s)
        parent_socket.send(_decode(memory_fd, int(job), max_pixels))
        signal.alarm(0)


def _receive_job(parent_socket: socket.socket, parent: int) -> bytes:
    """Return the next request, empty when the parent is gone."""
    # A closed socket is not enough: a fork of the parent may hold it open after the parent's death.
    while os.getppid() == parent:
        try:
            return parent_socket.recv(64)
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return b""


def _decode(memory_fd: int, length: int, max_pixels: int) -> bytes:
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
