"""Decoding strangers' files in processes of their own, with a memory limit and a deadline for each image.

Pixels come back through memory that parent and child share by descriptor (memfd): it has no name, so nothing is left
behind however either of them ends. Invariant: each child is idle or works for exactly one thread of the pool; one that
broke, hung or ran out of memory is killed, never asked again, and replaced.
"""

import asyncio
import json
import math
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from PIL import Image

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, InternalFault, PoisonError
from pipeline.sandbox.decoding_child import MEBI, READY
from pipeline.verdict import RgbImage

START_DEADLINE_S = 60.0
KEPT_MEMORY_BYTES = 16 * MEBI
INTERPRETER_MIB = 512
BYTES_PER_PIXEL = 32  # the file's pixels, with transparency, over white, turned upright, as RGB, and as bytes
# glibc gives each buffer of an image back to the kernel and asks for it anew: half of a small image's decoding time.
KEPT_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(4 * MEBI), "MALLOC_TRIM_THRESHOLD_": str(KEPT_MEMORY_BYTES)}

_ERRORS = {error("").code: error for error in (ImageRefused, ImageTooLarge, ImageUndecodable)}


class DecodePool:
    """`workers` children, each decoding one image at a time; further images wait for their turn.

    Units: `memory_limit_mib` is the address space of a child; by default what an image of `max_pixels` may need.
    """

    def __init__(
        self, *, max_pixels: int, workers: int = 2, memory_limit_mib: int | None = None, deadline_s: float = 20.0
    ) -> None:
        self._max_pixels = max_pixels
        self._memory_limit_mib = memory_limit_mib or INTERPRETER_MIB + BYTES_PER_PIXEL * max_pixels // MEBI
        self._deadline_s = deadline_s
        self._closed = False
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._children = [self._start() for _ in range(workers)]
        self._idle: SimpleQueue[int] = SimpleQueue()
        for slot in range(workers):
            self._idle.put(slot)

    async def decode(self, data: bytes) -> RgbImage:
        """Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, data)

    def close(self) -> None:
        """Kills what is still being decoded."""
        self._closed = True
        for child in self._children:
            child.process.kill()
        self._threads.shutdown(cancel_futures=True)
        while self._children:
            self._children.pop().end()

    def _decode(self, data: bytes) -> RgbImage:
        slot = self._idle.get()  # there are as many threads as children
        try:
            if self._children[slot].process.poll() is not None:
                self._replace(slot)  # died while idle: this image is not to blame
            answer = self._children[slot].decode(data, self._deadline_s)
        except (OSError, ValueError, KeyError) as error:
            self._replace(slot)
            reason = (
                f"took longer than {self._deadline_s} s" if isinstance(error, TimeoutError) else "killed the decoder"
            )
            raise ImageUndecodable(f"decoding {reason}") from error
        finally:
            self._idle.put(slot)
        if isinstance(answer, PoisonError):
            raise answer
        return answer

    def _replace(self, slot: int) -> None:
        if not self._closed:
            self._children[slot].end()
            self._children[slot] = self._start()

    def _start(self) -> "_Child":
        alarm_s = math.ceil(self._deadline_s) + 1  # should the parent be gone by then
        return _Child(self._max_pixels, self._memory_limit_mib, alarm_s)


class _Child:
    def __init__(self, max_pixels: int, memory_limit_mib: int, alarm_s: int) -> None:
        self._memory = os.memfd_create("pixels")
        self._talk, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = (os.getpid(), theirs.fileno(), self._memory, max_pixels, memory_limit_mib, alarm_s)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.sandbox.decoding_child", *map(str, numbers)],
                pass_fds=(theirs.fileno(), self._memory),
                # No credentials where strangers' bytes are read.
                env={"PYTHONPATH": os.pathsep.join(sys.path), **KEPT_HEAP},
                process_group=0,  # Ctrl-C is the worker's affair: what is under way is still decoded
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # C libraries complain there about broken files
            )
        self._ready = False

    def decode(self, data: bytes, deadline_s: float) -> RgbImage | PoisonError:
        """Raises: OSError (also as TimeoutError), ValueError, KeyError when the child has to be replaced."""
        if not self._ready:
            self._await_start()
        self._talk.settimeout(deadline_s)
        os.pwrite(self._memory, data, 0)
        self._talk.send(str(len(data)).encode())
        answer = json.loads(self._heard())
        if "error" in answer:
            return _ERRORS[answer["error"]](answer["detail"])
        size = answer["width"], answer["height"]
        packed = os.pread(self._memory, size[0] * size[1] * 3, 0)
        if len(packed) > KEPT_MEMORY_BYTES:
            os.ftruncate(self._memory, 0)
        return RgbImage(Image.frombytes("RGB", size, packed), answer["format"], answer["frames"])

    def _await_start(self) -> None:
        self._talk.settimeout(START_DEADLINE_S)
        try:
            self._ready = self._heard() == READY
        except OSError as error:
            self.process.kill()
            raise InternalFault("the decoder process does not start") from error

    def _heard(self) -> bytes:
        message = self._talk.recv(4096)
        if not message:
            raise ConnectionResetError("the child is gone")
        return message

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._talk.close()
        os.close(self._memory)
