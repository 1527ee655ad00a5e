"""Decode untrusted image files in one process with a memory limit and a deadline for each image.

Pixels come back through memory that parent and child share by descriptor (memfd). It has no name, so nothing is left
behind however either of them ends. Invariant: a child that broke, hung or ran out of memory is killed, never used
again, and replaced.
"""

import json
import math
import os
import socket
import subprocess
import sys

from PIL import Image

from pipeline.errors import DECODING_ERRORS, ImageUndecodable, InternalFault, PoisonError
from pipeline.sandbox.decoding_child import MEBI, READY
from pipeline.verdict import RgbImage

START_DEADLINE_S = 60.0
REUSED_MEMORY_BYTES = 16 * MEBI
INTERPRETER_MIB = 512
BYTES_PER_PIXEL = 32  # the file's pixels, with transparency, over white, turned upright, as RGB, and as bytes
# By default glibc returns each image buffer to the kernel and requests it again: half of a small image's decoding time.
HEAP_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(4 * MEBI), "MALLOC_TRIM_THRESHOLD_": str(REUSED_MEMORY_BYTES)}

_ERRORS_BY_CODE = {error("").code: error for error in DECODING_ERRORS}


class Decoder:
    """One decoder process, for one thread at a time.

    Units: `memory_limit_mib` is the address space of the process; the default is what an image of `max_pixels` may
    need.
    """

    def __init__(self, *, max_pixels: int, memory_limit_mib: int | None = None, deadline_s: float = 20.0) -> None:
        self._max_pixels = max_pixels
        self._memory_limit_mib = memory_limit_mib or INTERPRETER_MIB + BYTES_PER_PIXEL * max_pixels // MEBI
        self._deadline_s = deadline_s
        self._closed = False
        self._child = self._start()

    def decode(self, data: bytes) -> RgbImage:
        """Decode in the child process; replace it if it dies.

        Raises: one of DECODING_ERRORS; InternalFault if the process does not start.
        """
        try:
            if self._child.process.poll() is not None:
                self._replace()  # it died while idle: this image is not the cause
            answer = self._child.decode(data, self._deadline_s)
        except (OSError, ValueError, KeyError) as error:
            self._replace()
            reason = (
                f"took longer than {self._deadline_s} s" if isinstance(error, TimeoutError) else "killed the decoder"
            )
            raise ImageUndecodable(f"decoding {reason}") from error
        if isinstance(answer, PoisonError):
            raise answer
        return answer

    def kill(self) -> None:
        """Kill the process without a successor; another thread may be waiting in `decode`."""
        self._closed = True
        self._child.process.kill()

    def close(self) -> None:
        """Kill the process and release what belongs to it; no thread may be in `decode`."""
        self._closed = True
        self._child.end()

    def _replace(self) -> None:
        if not self._closed:
            self._child.end()
            self._child = self._start()

    def _start(self) -> "_Child":
        alarm_s = math.ceil(self._deadline_s) + 1  # ends the child if the parent is gone by then
        return _Child(self._max_pixels, self._memory_limit_mib, alarm_s)


class _Child:
    def __init__(self, max_pixels: int, memory_limit_mib: int, alarm_s: int) -> None:
        self._memory = os.memfd_create("pixels")
        self._socket, child_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = (os.getpid(), child_socket.fileno(), self._memory, max_pixels, memory_limit_mib, alarm_s)
        with child_socket:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.sandbox.decoding_child", *map(str, numbers)],
                pass_fds=(child_socket.fileno(), self._memory),
                # The environment holds no credentials: this process reads untrusted bytes.
                env={"PYTHONPATH": os.pathsep.join(sys.path), **HEAP_SETTINGS},
                process_group=0,  # Ctrl-C reaches the parent alone, which still needs the image under way
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # C libraries complain there about broken files
            )
        self._ready = False

    def decode(self, data: bytes, deadline_s: float) -> RgbImage | PoisonError:
        """Send the image to the child and return its answer.

        Raises: OSError (also as TimeoutError), ValueError, KeyError if the child has to be replaced.
        """
        if not self._ready:
            self._await_start()
        self._socket.settimeout(deadline_s)
        os.pwrite(self._memory, data, 0)
        self._socket.send(str(len(data)).encode())
        answer = json.loads(self._receive())
        if "error" in answer:
            return _ERRORS_BY_CODE[answer["error"]](answer["detail"])
        size = answer["width"], answer["height"]
        packed = os.pread(self._memory, size[0] * size[1] * 3, 0)
        if len(packed) > REUSED_MEMORY_BYTES:
            os.ftruncate(self._memory, 0)
        return RgbImage(Image.frombytes("RGB", size, packed), answer["format"], answer["frames"])

    def _await_start(self) -> None:
        self._socket.settimeout(START_DEADLINE_S)
        try:
            self._ready = self._receive() == READY
        except OSError as error:
            self.process.kill()
            raise InternalFault("the decoder process does not start") from error

    def _receive(self) -> bytes:
        message = self._socket.recv(4096)
        if not message:
            raise ConnectionResetError("the child is gone")
        return message

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._socket.close()
        os.close(self._memory)
