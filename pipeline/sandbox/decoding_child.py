"""Run as a decoder process: decode a file of the shared memory, write the pictures asked for there, and reply.

Started by pipeline/sandbox/child.py and by nothing else. The process holds no secret. Before it reads a file, it gives
up what it does not need: it opens, starts and imports nothing any more. It ends with its parent, at its memory limit,
or by an alarm, whichever comes first.
"""

import json
import os
import resource
import signal
import socket
import struct
import sys
import zlib
from typing import Any

from PIL import AvifImagePlugin, Image

from pipeline import images
from pipeline.decoding.decode import decode, load_codecs
from pipeline.errors import ImageTooLarge, ImageUndecodable, PoisonError
from pipeline.sandbox.confinement import confine
from pipeline.verdict import BoundingBox, RgbImage

MEBI = 1024 * 1024
MESSAGE_BYTES = 64 * 1024
PARENT_CHECK_S = 5
USUAL_ERRORS = (
    *(ArithmeticError, EOFError, LookupError, OSError, SyntaxError, ValueError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning, ImportError),
)
"""raised by Pillow and our readers on broken files, and for a codec that is not installed; after any other, the
interpreter may be half broken"""


def main() -> None:
    """Take as arguments the parent's pid, two descriptors, and limits.

    These are pixels of an image, pixels kept, MiB of memory, bytes of the shared memory, s until the alarm, niceness.
    """
    parent, socket_fd, memory_fd, max_pixels, keep_pixels, memory_limit_mib, shared_bytes, alarm_s, niceness = map(
        int, sys.argv[1:]
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mib * MEBI, memory_limit_mib * MEBI))
    resource.setrlimit(resource.RLIMIT_FSIZE, (shared_bytes, shared_bytes))
    os.nice(niceness)
    parent_socket = socket.socket(fileno=socket_fd)
    # Not Python's timeout, which waits by a system call that needs descriptors to be allowed.
    parent_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PARENT_CHECK_S, 0))
    try:
        _finish_imports()
        parent_socket.send(json.dumps({"layers": confine()}).encode())
    except Exception as error:
        parent_socket.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:1000]}).encode())
        raise
    maker = _PictureMaker(memory_fd, max_pixels, keep_pixels)
    while message := _receive_request(parent_socket, parent):
        signal.alarm(alarm_s)
        request = json.loads(message)
        signal.setitimer(signal.ITIMER_PROF, request["cpu_s"])
        parent_socket.send(json.dumps({"token": request["token"], **maker.reply(request)}).encode())
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def _finish_imports() -> None:
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a thread for each core would need memory for its stack
    load_codecs()
    Image._initialized = 2  # a broken file would else make Pillow import the plugins of all formats
    sys.meta_path.clear()  # what is still imported lazily raises an ImportError that names it, instead of a SIGSYS


def _receive_request(parent_socket: socket.socket, parent: int) -> bytes:
    """Return the next request, empty when the parent is gone."""
    # A closed socket is not enough: a fork of the parent may hold it open after the parent's death.
    while os.getppid() == parent:
        try:
            return parent_socket.recv(MESSAGE_BYTES)
        except BlockingIOError:
            continue
        except ConnectionError:
            break
    return b""


class _PictureMaker:
    """Holds the shared memory and the images that are kept, at most `keep_pixels` in all."""

    def __init__(self, memory_fd: int, max_pixels: int, keep_pixels: int) -> None:
        self._memory_fd = memory_fd
        self._max_pixels = max_pixels
        self._free_pixels = keep_pixels
        self._kept: dict[int, RgbImage] = {}

    def reply(self, request: dict[str, Any]) -> dict[str, object]:
        try:
            image = self._get_image(request)
            return {
                "width": image.pixels.width,
                "height": image.pixels.height,
                "format": image.format,
                "frames": image.frames,
                "repaired": image.repaired,
                "frame": image.frame,
                "png_bytes": self._write_pictures(image, request),
                "kept": self._keep(image, request["keep_as"]),
            }
        except PoisonError as error:
            usual = error.__cause__ is None or isinstance(error.__cause__, USUAL_ERRORS)
            return {"error": error.code, "detail": error.detail[:1000], "broken": not usual}
        except MemoryError:
            return {"error": ImageTooLarge("").code, "detail": "its pixels need too much memory", "broken": True}
        except Exception as error:  # noqa: BLE001 - our bug: the parent replaces this process and tells what it was
            detail = f"decoding failed: {type(error).__name__}: {error}"[:1000]
            return {"error": ImageUndecodable("").code, "detail": detail, "broken": True}

    def _get_image(self, request: dict[str, Any]) -> RgbImage:
        if request["take"] is None:
            return decode(os.pread(self._memory_fd, request["file_bytes"], 0), max_pixels=self._max_pixels)
        image = self._kept.pop(request["take"], None)
        if image is None:
            raise ImageUndecodable("its pixels are not kept any more")
        self._free_pixels += image.pixels.width * image.pixels.height
        return image

    def _write_pictures(self, image: RgbImage, request: dict[str, Any]) -> int:
        """Write the pictures one behind the other; return the bytes of the PNG, 0 if none was asked for."""
        pictures = []
        if request["view_max_pixels"] is not None:
            pictures.append(images.resize_view(image, request["view_max_pixels"]))
        boxes = (BoundingBox(*corners) for corners in request["boxes"])
        pictures += [images.cut_window(image, box, request["crop_max_pixels"]) for box in boxes]
        if request["whole"] == "pixels":
            pictures.append(image.pixels)
        offset = 0
        for picture in pictures:
            offset += self._write(picture.tobytes(), offset)
        return self._write(images.encode_png(image.pixels), offset) if request["whole"] == "png" else 0

    def _write(self, content: bytes, offset: int) -> int:
        return os.pwrite(self._memory_fd, content, offset)

    def _keep(self, image: RgbImage, number: int | None) -> bool:
        pixels = image.pixels.width * image.pixels.height
        if number is None or pixels > self._free_pixels:
            return False
        self._free_pixels -= pixels
        self._kept[number] = image
        return True


if __name__ == "__main__":
    main()
