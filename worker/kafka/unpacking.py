"""Bounds what a compressed batch may unpack to: 5 KB on the wire can hold 100 MB, and 1 MB many GB.

The client itself unpacks a batch whole. It does so in functions of its module `kafka.codec`, which two other modules of
the pinned 3.0 line import by name; `limit_unpacking` puts bounded ones in their place.
"""

import gzip
import io
from collections.abc import Callable
from functools import partial
from typing import IO

import kafka.codec
import lz4.frame
import zstandard
from kafka.errors import KafkaError
from kafka.record import default_records, legacy_records
from kafka.record.default_records import DefaultRecordBatch

Decode = Callable[[bytes], bytes]

_decode_snappy: Decode = kafka.codec.snappy_decode
_unpack: Callable[[DefaultRecordBatch], None] = DefaultRecordBatch._maybe_uncompress
_XERIAL_HEADER_BYTES = 16
"""before blocks of snappy, each after its size in 4 bytes"""


class BatchTooLargeError(KafkaError):  # type: ignore[misc]  # the client has no types
    """A batch unpacks to more than the limit."""


def limit_unpacking(most_bytes: int) -> None:
    """Make the client refuse a batch that unpacks to more; reading it then raises BatchTooLargeError."""
    decoders: dict[str, Decode] = {
        "gzip_decode": partial(_decode_stream, _open_gzip, most_bytes),
        "lz4_decode": partial(_decode_stream, _open_lz4, most_bytes),
        "zstd_decode": partial(_decode_stream, _open_zstd, most_bytes),
        "snappy_decode": partial(_decode_snappy_within, most_bytes),
    }
    for module in (kafka.codec, default_records, legacy_records):
        for name in decoders.keys() & vars(module).keys():
            setattr(module, name, decoders[name])
    DefaultRecordBatch._maybe_uncompress = _unpack_named


def _unpack_named(batch: DefaultRecordBatch) -> None:
    try:
        _unpack(batch)
    except BatchTooLargeError as error:
        raise BatchTooLargeError(
            f"the batch of the offsets {batch.base_offset} to {batch.last_offset} {error.args[0]}; if there is memory, "
            "raise ZOOMIN_KAFKA__MAX_BATCH_BYTES; if nobody needs these records, stop the workers and set the group's "
            f"offset of this partition to {batch.next_offset}"
        ) from error


def _decode_stream(open_stream: Callable[[bytes], IO[bytes]], most_bytes: int, packed: bytes) -> bytes:
    with open_stream(packed) as stream:
        unpacked = stream.read(most_bytes + 1)
    _check_size(len(unpacked), most_bytes)
    return unpacked


def _decode_snappy_within(most_bytes: int, packed: bytes) -> bytes:
    """Decode snappy, whose blocks tell their size before they are unpacked."""
    _check_size(sum(map(_read_snappy_size, _split_snappy(packed))), most_bytes)
    return _decode_snappy(packed)


def _check_size(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise BatchTooLargeError(f"unpacks to more than {most_bytes} bytes")


def _split_snappy(packed: bytes) -> list[bytes]:
    """Return the first bytes of each block: Java's clients send several, others a single one."""
    if not kafka.codec._detect_xerial_stream(packed):
        return [packed[:5]]
    blocks, position = [], _XERIAL_HEADER_BYTES
    while position + 4 < len(packed):
        blocks.append(packed[position + 4 : position + 9])
        position += 4 + int.from_bytes(packed[position : position + 4])
    return blocks


def _read_snappy_size(block: bytes) -> int:
    """Read the size that a block unpacks to: 7 bits a byte, lowest first, until a byte below 128."""
    size = 0
    for index, byte in enumerate(block):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            break
    return size


def _open_gzip(packed: bytes) -> IO[bytes]:
    return gzip.GzipFile(fileobj=io.BytesIO(packed))  # type: ignore[return-value]  # it reads bytes


def _open_lz4(packed: bytes) -> IO[bytes]:
    opened: IO[bytes] = lz4.frame.open(io.BytesIO(packed))
    return opened


def _open_zstd(packed: bytes) -> IO[bytes]:
    opened: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True)
    return opened
