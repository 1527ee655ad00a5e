"""The decoder process as its parent sees it: its start, one request at a time, and the pictures in shared memory."""

import math
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

from PIL import Image

from pipeline import images
from pipeline.errors import InternalFault
from pipeline.geometry import Size
from pipeline.png.chunks import SIGNATURE
from pipeline.sandbox.decoding_child import MEBI, MESSAGE_BYTES
from pipeline.sandbox.exchange import Confinement, Reply, Request
from pipeline.verdict import ModelImage

START_DEADLINE_S = 60.0
ENDING_DEADLINE_S = 5.0
WALL_TIMES = 3
"""times its CPU time that a request may take: a busy machine makes no file a bad one"""
REUSED_MEMORY_BYTES = 64 * MEBI
# By default glibc returns each large buffer to the kernel and requests it again: half of a photograph's decoding time.
HEAP_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(64 * MEBI),
    "MALLOC_TRIM_THRESHOLD_": str(128 * MEBI),
    "MALLOC_ARENA_MAX": "1",  # a second arena takes address space, and older glibc opens a file to count cores for it
}
# A process of several threads can neither enter a user namespace nor confine itself by Landlock.
THREAD_SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class ChildLimits:
    max_pixels: int
    keep_pixels: int
    memory_limit_mib: int
    longest_request_s: float
    niceness: int


class Child:
    """A decoder process; when it breaks, its owner ends it and starts another."""

    def __init__(self, limits: ChildLimits) -> None:
        self._memory = os.memfd_create("pixels")
        self._socket, child_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        alarm_s = math.ceil(WALL_TIMES * limits.longest_request_s) + 1  # ends the child if the parent is gone by then
        numbers = (
            *(os.getpid(), child_socket.fileno(), self._memory),
            *(limits.max_pixels, limits.keep_pixels, limits.memory_limit_mib),
            *(REUSED_MEMORY_BYTES + _limit_png_bytes(limits.max_pixels), alarm_s, limits.niceness),
        )
        try:
            self.process = self._start(numbers, child_socket)
        except OSError:
            self.release()
            raise
        finally:
            child_socket.close()
        self._confinement: Confinement | None = None
        self.used = False
        """True after its first reply: an earlier file may be the cause of what it does wrong"""

    def ask(self, request: Request, data: bytes, deadline_s: float) -> "tuple[Reply, Pictures]":
        """Send a request with the file that it is about, and return the reply and the pictures in the memory.

        Units: `deadline_s` is CPU time of the process; waiting ends after WALL_TIMES as long.
        Raises: InternalFault if the process does not start; any other error if it has to be replaced, TimeoutError at
            the deadline.
        """
        self.await_start()
        self._socket.settimeout(WALL_TIMES * deadline_s)
        if data:
            os.pwrite(self._memory, data, 0)
        self._socket.send(request.model_copy(update={"cpu_s": deadline_s}).model_dump_json().encode())
        reply = Reply.model_validate_json(self._receive())
        if reply.token != request.token:
            raise ValueError("a reply to another request")
        self.used = True
        return reply, Pictures(self._memory)

    def await_start(self) -> Confinement:
        """Return the layers that confine the process; it tells them before it reads a file. Raises: InternalFault."""
        if self._confinement is None:
            self._socket.settimeout(START_DEADLINE_S)
            message = b""
            try:
                message = self._receive()
                self._confinement = Confinement.model_validate_json(message)
            except (OSError, ValueError) as error:
                self.process.kill()
                reason = f": {message.decode(errors='replace')}" if message else ""
                raise InternalFault(f"the decoder process does not start{reason}") from error
        return self._confinement

    def trim_memory(self) -> None:
        """Give large memory back; small memory is used again."""
        if os.fstat(self._memory).st_size > REUSED_MEMORY_BYTES:
            os.ftruncate(self._memory, 0)

    def end(self) -> None:
        self.kill()
        self.release()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def release(self) -> None:
        """Close what belongs to the killed process, once."""
        self._socket.close()
        os.close(self._memory)

    def _start(self, numbers: tuple[int, ...], child_socket: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.sandbox.decoding_child", *map(str, numbers)],
            pass_fds=(child_socket.fileno(), self._memory),
            # The environment holds no credentials: this process reads untrusted bytes.
            env={"PYTHONPATH": os.pathsep.join(sys.path), **HEAP_SETTINGS, **THREAD_SETTINGS},
            process_group=0,  # Ctrl-C reaches the parent alone, which still needs the image under way
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # C libraries complain there about broken files
        )

    def _receive(self) -> bytes:
        message = self._socket.recv(MESSAGE_BYTES)
        if not message:
            if self.process.wait(ENDING_DEADLINE_S) == -signal.SIGPROF:
                raise TimeoutError("its CPU time is used up")
            raise ConnectionResetError("the child is gone")
        return message


class Pictures:
    """The pictures of one reply, read from the shared memory in their order.

    A picture's bytes are read once, and its digest is that of the bytes read: the process may change the memory, and a
    digest of its own choice would let it exchange pictures of other files in the engine's caches.
    Raises: ValueError in each method if the memory does not hold such a picture.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._offset = 0

    def read_model_image(self, size: Size) -> ModelImage:
        rgb = self._read(size[0] * size[1] * 3)
        return ModelImage(Image.frombytes("RGB", size, rgb), images.digest_rgb(size, rgb))

    def read_pixels(self, size: Size) -> Image.Image:
        return Image.frombytes("RGB", size, self._read(size[0] * size[1] * 3))

    def read_png(self, reply: Reply) -> bytes:
        """Read a PNG, which cannot be much larger than the pixels in it."""
        if reply.png_bytes > _limit_png_bytes(reply.width * reply.height):
            raise ValueError("the PNG is larger than its pixels")
        png = self._read(reply.png_bytes)
        if not png.startswith(SIGNATURE):
            raise ValueError("the picture is no PNG")
        return png

    def _read(self, length: int) -> bytes:
        content = os.pread(self._memory, length, self._offset)
        if len(content) != length:
            raise ValueError("the memory is shorter than its pictures")
        self._offset += length
        return content


def _limit_png_bytes(pixels: int) -> int:
    return 2 * pixels * 3 + MEBI
