"""Content-Encoding of stored objects: undone as a browser undoes it before it shows the image; pure."""

import zlib
from collections.abc import Callable

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable

NOT_ENCODED = frozenset({"", "identity", "aws-chunked"})
"""aws-chunked: the framing of an upload, which S3 has undone itself"""
MAX_LAYERS = 3

BROWSERS_UNDO = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})

_GZIP_BITS, _ZLIB_BITS, _RAW_BITS = 31, 15, -15


def undo_content_encoding(data: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """Return the bytes behind the encoding, which is the header's value: names in the order they were applied.

    If it has a name that browsers do not know, they show the stored bytes as they are, and these are returned.
    Raises: ImageTooLarge above `limit_bytes`; ImageUndecodable; ImageRefused for an encoding that only browsers undo.
    """
    layers = [name.strip().lower() for name in encoding.split(",")]
    layers = [name for name in layers if name not in NOT_ENCODED]
    if not BROWSERS_UNDO.issuperset(layers):
        return data
    if len(layers) > MAX_LAYERS:
        raise ImageRefused(f"its Content-Encoding has {len(layers)} layers; at most {MAX_LAYERS} are undone")
    for name in reversed(layers):
        undo = _UNDO.get(name)
        if undo is None:
            raise ImageRefused(f"its Content-Encoding is {name[:32]!r}; gzip and deflate are undone")
        try:
            data = undo(data, limit_bytes)
        except zlib.error as error:
            raise ImageUndecodable(f"its Content-Encoding is {name}, its bytes are not: {error}") from error
    return data


def _undo_gzip(data: bytes, limit_bytes: int) -> bytes:
    return _inflate(data, _GZIP_BITS, limit_bytes)


def _undo_deflate(data: bytes, limit_bytes: int) -> bytes:
    try:
        return _inflate(data, _ZLIB_BITS, limit_bytes)
    except zlib.error:  # some senders leave the header out, and browsers read that too
        return _inflate(data, _RAW_BITS, limit_bytes)


def _inflate(data: bytes, window_bits: int, limit_bytes: int) -> bytes:
    content = zlib.decompressobj(window_bits).decompress(data, limit_bytes + 1)
    if len(content) > limit_bytes:
        raise ImageTooLarge(f"it unpacks to more than {limit_bytes} bytes (ZOOMIN_STORE__MAX_IMAGE_BYTES)")
    return content


_UNDO: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _undo_gzip,
    "x-gzip": _undo_gzip,
    "deflate": _undo_deflate,
}
