import gzip
from collections.abc import Callable, Iterator

import kafka.codec
import pytest
from kafka.record import MemoryRecords, MemoryRecordsBuilder, default_records, legacy_records
from kafka.record.default_records import DefaultRecordBatch

from worker.kafka.unpacking import BatchTooLargeError, limit_unpacking

LIMIT_BYTES = 1 << 20
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    """Set the limit, and take it away after the test."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (kafka.codec, default_records, legacy_records):
            for name in [name for name in vars(module) if name in {f"{codec}_decode" for codec in CODECS}]:
                patch.setattr(module, name, getattr(module, name))
        patch.setattr(DefaultRecordBatch, "_maybe_uncompress", DefaultRecordBatch._maybe_uncompress)
        limit_unpacking(LIMIT_BYTES)
        yield


def read_batch(codec: str, *values: bytes, magic: int = 2) -> list[bytes | None]:
    """Write a batch as the client does, and read it."""
    builder = MemoryRecordsBuilder(
        magic=magic, compression_type=CODECS[codec], batch_size=1 << 30, offset=0, transactional=False,
        producer_id=-1, producer_epoch=-1, base_sequence=-1,
    )  # fmt: skip
    for value in values:
        assert builder.append(timestamp=1, key=None, value=value)
    builder.close()
    batch = MemoryRecords(bytes(builder.buffer())).next_batch()
    return [record.value for record in batch]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("magic", [1, 2])
def test_a_batch_within_the_limit_is_read(codec: str, magic: int) -> None:
    if (codec, magic) == ("zstd", 1):
        return  # that format has no zstd
    values = [b"a" * 1000, b"b" * 500_000, b"c" * 1000]
    assert read_batch(codec, *values, magic=magic) == values


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_beyond_the_limit_is_refused_with_its_offsets_and_the_cure(codec: str) -> None:
    with pytest.raises(BatchTooLargeError, match=r"offsets 0 to 2 .* 1048576 .*MAX_BATCH_BYTES.* to 3$"):
        read_batch(codec, b"a", b"b" * LIMIT_BYTES, b"c")


def test_an_old_batch_beyond_the_limit_is_refused_too() -> None:
    with pytest.raises(BatchTooLargeError, match="1048576"):
        read_batch("gzip", b"a" * LIMIT_BYTES, magic=1)


def encode_single_block(content: bytes) -> bytes:
    return bytes(kafka.codec.snappy_encode(content, xerial_compatible=False))


@pytest.mark.parametrize("encode", [kafka.codec.snappy_encode, encode_single_block], ids=["blocks", "one block"])
def test_snappy_is_measured_before_it_is_unpacked(encode: Callable[[bytes], bytes]) -> None:
    assert kafka.codec.snappy_decode(encode(b"a" * LIMIT_BYTES)) == b"a" * LIMIT_BYTES
    with pytest.raises(BatchTooLargeError):
        kafka.codec.snappy_decode(encode(b"a" * (LIMIT_BYTES + 1)))


@pytest.mark.parametrize(
    ("encode", "decoder"),
    [(gzip.compress, "gzip_decode"), (kafka.codec.lz4_encode, "lz4_decode"), (kafka.codec.zstd_encode, "zstd_decode")],
)
def test_several_frames_count_together(encode: Callable[[bytes], bytes], decoder: str) -> None:
    decode, half = getattr(kafka.codec, decoder), encode(b"a" * (LIMIT_BYTES // 2))
    assert decode(half + half) == b"a" * LIMIT_BYTES
    with pytest.raises(BatchTooLargeError):
        decode(half + half + half)
