"""Run as a decoder process: decode a file of the shared memory, write the pictures asked for there, and reply.

Started by pipeline/sandbox/decoder.py and by nothing else. The process holds no secret and opens no file. It ends with
its parent, at its memory limit, or by an alarm, whichever comes first.
"""

import json
import os
import resource
import signal
import socket
import sys
from typing import Any

from PIL import AvifImagePlugin

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.errors import ImageTooLarge, ImageUndecodable, PoisonError
from pipeline.verdict import BoundingBox, RgbImage

READY = b"ready"
MEBI = 1024 * 1024
MESSAGE_BYTES = 64 * 1024
PARENT_CHECK_S = 5.0


def main() -> None:
    """Take as arguments the parent's pid, two descriptors, and limits in pixels, kept pixels, MiB, s and niceness."""
    parent, socket_fd, memory_fd, max_pixels, keep_pixels, memory_limit_mib, alarm_s, niceness = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mib * MEBI, memory_limit_mib * MEBI))
    os.nice(niceness)
    parent_socket = socket.socket(fileno=socket_fd)
    parent_socket.settimeout(PARENT_CHECK_S)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a thread for each core would need memory for its stack
    parent_socket.send(READY)
    maker = _PictureMaker(memory_fd, max_pixels, keep_pixels)
    while request := _receive_request(parent_socket, parent):
        signal.alarm(alarm_s)
        parent_socket.send(json.dumps(maker.reply(json.loads(request))).encode())
        signal.alarm(0)


def _receive_request(parent_socket: socket.socket, parent: int) -> bytes:
    """Return the next request, empty when the parent is gone."""
    # A closed socket is not enough: a fork of the parent may hold it open after the parent's death.
    while os.getppid() == parent:
        try:
            return parent_socket.recv(MESSAGE_BYTES)
        except TimeoutError:
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
                **self._write_pictures(image, request),
                "kept": self._keep(image, request["keep_as"]),
            }
        except PoisonError as error:
            return {"error": error.code, "detail": error.detail[:1000]}
        except MemoryError:
            return {"error": ImageTooLarge("").code, "detail": "its pixels need too much memory"}

    def _get_image(self, request: dict[str, Any]) -> RgbImage:
        if request["take"] is None:
            return decode(os.pread(self._memory_fd, request["file_bytes"], 0), max_pixels=self._max_pixels)
        image = self._kept.pop(request["take"], None)
        if image is None:
            raise ImageUndecodable("its pixels are not kept any more")
        self._free_pixels += image.pixels.width * image.pixels.height
        return image

    def _write_pictures(self, image: RgbImage, request: dict[str, Any]) -> dict[str, object]:
        pictures = []
        if request["view_max_pixels"] is not None:
            pictures.append(images.build_view(image, request["view_max_pixels"]))
        boxes = (BoundingBox(*corners) for corners in request["boxes"])
        pictures += [images.crop(image, box, request["crop_max_pixels"]).image for box in boxes]
        offset = 0
        for picture in pictures:
            offset += os.pwrite(self._memory_fd, picture.pixels.tobytes(), offset)
        png = images.encode_png(image.pixels) if request["whole"] == "png" else b""
        os.pwrite(self._memory_fd, image.pixels.tobytes() if request["whole"] == "pixels" else png, offset)
        return {"digests": [picture.sha256 for picture in pictures], "png_bytes": len(png)}

    def _keep(self, image: RgbImage, number: int | None) -> bool:
        pixels = image.pixels.width * image.pixels.height
        if number is None or pixels > self._free_pixels:
            return False
        self._free_pixels -= pixels
        self._kept[number] = image
        return True


if __name__ == "__main__":
    main()
