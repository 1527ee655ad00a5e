"""Decode untrusted image files in one process with a memory limit and a deadline for each request.

Pictures come back through memory that parent and child share by descriptor (memfd). It has no name, so nothing is left
behind however either of them ends. Invariants: a child that broke, hung, ran out of memory or replied what cannot be is
killed, never used again, and replaced. A file is refused for what a child did only if the child had no other before.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline import geometry
from pipeline.errors import DECODING_ERRORS, ImageUndecodable, InternalFault, PoisonError
from pipeline.sandbox.child import Child, ChildLimits, Pictures
from pipeline.sandbox.decoding_child import MEBI
from pipeline.sandbox.exchange import Confinement, Reply, Request
from pipeline.sandbox.plausibility import check_file, check_size
from pipeline.verdict import BoundingBox, Crop, ModelImage, RgbImage

INTERPRETER_MIB = 512
BYTES_PER_PIXEL = 32  # the file's pixels, with transparency, over white, turned upright, as RGB, and as bytes
KEPT_BYTES_PER_PIXEL = 5  # Pillow stores 4 bytes for a pixel, in blocks
ENCODING_S_PER_MEGAPIXEL = 0.5

Result = TypeVar("Result")
_ERRORS_BY_CODE = {error("").code: error for error in DECODING_ERRORS}


class PixelsLost(Exception):
    """The process that kept the pixels is gone, or busy for too long."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptPixels:
    """The full-size pixels of an image that a decoder's process keeps under a number."""

    decoder: "Decoder"
    child: Child
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFile:
    """A file's image without its full-size pixels, which are `kept` in the decoder process if there was room."""

    size_px: geometry.Size
    format: str
    frames: int
    repaired: bool
    frame: int
    view: ModelImage
    kept: KeptPixels | None


class Decoder:
    """One decoder process, for one thread at a time.

    Units: `memory_limit_mib` is the address space of the process; the default is what an image of `max_pixels` may
    need beside the `keep_pixels` that are kept. `deadline_s` is CPU time of each request; encoding has more, by size.
    On a busy machine a request may take three times as long.
    """

    def __init__(
        self,
        *,
        max_pixels: int,
        keep_pixels: int = 0,
        memory_limit_mib: int | None = None,
        deadline_s: float = 20.0,
        niceness: int = 0,
    ) -> None:
        default_mib = INTERPRETER_MIB + (BYTES_PER_PIXEL * max_pixels + KEPT_BYTES_PER_PIXEL * keep_pixels) // MEBI
        longest_s = deadline_s + ENCODING_S_PER_MEGAPIXEL * max_pixels / 1e6
        self._limits = ChildLimits(max_pixels, keep_pixels, memory_limit_mib or default_mib, longest_s, niceness)
        self._deadline_s = deadline_s
        self._numbers = itertools.count()
        self._closed = False
        self._child = Child(self._limits)

    def read_confinement(self) -> Confinement:
        """Return the layers that confine the process. Raises: InternalFault if it does not start."""
        return self._get_child().await_start()

    def decode(self, data: bytes) -> RgbImage:
        """Decode in the child process.

        Raises: one of DECODING_ERRORS; InternalFault if the process does not start.
        """

        def read(reply: Reply, pictures: Pictures) -> RgbImage:
            pixels = pictures.read_pixels(reply.size_px)
            return RgbImage(pixels, reply.format, reply.frames, reply.repaired, reply.frame)

        return self._ask(Request(file_bytes=len(data), whole="pixels"), read, data=data)

    def build_view(self, data: bytes, max_pixels: int, *, keep: bool = True) -> DecodedFile:
        """Decode, build the view, and keep the full-size pixels if the process has room. Raises: as `decode`."""
        number = next(self._numbers)

        def read(reply: Reply, pictures: Pictures) -> DecodedFile:
            view = pictures.read_model_image(geometry.fit(reply.size_px, max_pixels))
            kept = KeptPixels(self, self._child, number) if reply.kept else None
            return DecodedFile(
                reply.size_px, reply.format, reply.frames, reply.repaired, reply.frame, view=view, kept=kept
            )

        return self._ask(
            Request(file_bytes=len(data), view_max_pixels=max_pixels, keep_as=number if keep else None), read, data=data
        )

    def cut_crops(
        self, source: bytes | KeptPixels, size_px: geometry.Size, boxes: Sequence[BoundingBox], max_pixels: int
    ) -> tuple[Crop, ...]:
        """Cut crops from a file, or from kept pixels, which are not kept any more afterwards.

        Raises: as `decode` for a file; PixelsLost for kept pixels if their process is gone.
        """

        def read(_reply: Reply, pictures: Pictures) -> tuple[Crop, ...]:
            sizes = (geometry.compute_crop_size(box, size_px, max_pixels) for box in boxes)
            return tuple(Crop(box, pictures.read_model_image(size)) for box, size in zip(boxes, sizes, strict=True))

        corners = tuple(box.corners for box in boxes)
        if isinstance(source, bytes):
            request = Request(file_bytes=len(source), boxes=corners, crop_max_pixels=max_pixels)
            return self._ask(request, read, data=source, size_px=size_px)
        if source.child is not self._get_child():
            raise PixelsLost
        try:
            request = Request(take=source.number, boxes=corners, crop_max_pixels=max_pixels)
            return self._ask(request, read, size_px=size_px)
        except PoisonError as error:
            raise PixelsLost from error

    def drop(self, kept: KeptPixels) -> None:
        """Free pixels that nobody needs any more."""
        if kept.child is self._child:
            self._ask(Request(take=kept.number), lambda _reply, _pictures: None)

    def encode_png(self, data: bytes, size_px: geometry.Size) -> bytes:
        """Decode a file that holds an image of this size, and encode its pixels as PNG. Raises: as `decode`."""

        def read(reply: Reply, pictures: Pictures) -> bytes:
            return pictures.read_png(reply)

        deadline_s = self._deadline_s + ENCODING_S_PER_MEGAPIXEL * size_px[0] * size_px[1] / 1e6
        request = Request(file_bytes=len(data), whole="png")
        return self._ask(request, read, data=data, size_px=size_px, deadline_s=deadline_s)

    def kill(self) -> None:
        """Kill the process without a successor; another thread may be waiting for it."""
        self._closed = True
        self._child.process.kill()

    def close(self) -> None:
        """Kill the process and release what belongs to it; no thread may be waiting for it."""
        self._closed = True
        self._child.end()

    def _ask(
        self,
        request: Request,
        read: Callable[[Reply, Pictures], Result],
        *,
        data: bytes = b"",
        size_px: geometry.Size | None = None,
        deadline_s: float | None = None,
    ) -> Result:
        """Return what `read` makes of the reply, which must be about an image of `size_px` if that is known.

        A process that breaks, and had another file before, may be broken since then: a fresh one gets the file once
        more. Not so after the deadline, which would then be twice as long.
        """
        child, deadline_s = self._get_child(), deadline_s or self._deadline_s
        used = child.used
        try:
            reply, pictures = child.ask(request, data, deadline_s)
            if reply.error is None:
                result = self._read(reply, pictures, read, data, size_px)
                child.trim_memory()
                return result
            refusal: PoisonError = _ERRORS_BY_CODE[reply.error](reply.detail)
        except InternalFault:
            raise
        except TimeoutError as error:
            self._replace()
            raise ImageUndecodable(f"decoding took longer than {deadline_s} s") from error
        except Exception as error:
            self._replace()
            if used and data and not self._closed:
                return self._ask(request, read, data=data, size_px=size_px, deadline_s=deadline_s)
            raise ImageUndecodable("decoding killed the decoder") from error
        if reply.broken:
            self._replace()
        raise refusal

    def _read(
        self,
        reply: Reply,
        pictures: Pictures,
        read: Callable[[Reply, Pictures], Result],
        data: bytes,
        size_px: geometry.Size | None,
    ) -> Result:
        check_size(reply.size_px, known_px=size_px, max_pixels=self._limits.max_pixels)
        if data:
            check_file(reply, data)
        return read(reply, pictures)

    def _get_child(self) -> Child:
        """Return the child, or its successor if it died while it was idle: the next image is not the cause."""
        if self._child.process.poll() is not None:
            self._replace()
        return self._child

    def _replace(self) -> None:
        if not self._closed:
            self._child.kill()
            successor = Child(self._limits)  # if it cannot start, the dead child stays, and the next image tries again
            self._child.release()
            self._child = successor
