import pytest

from pipeline.png.chunks import walk_chunks
from tests.support.image_files.png import END, SIGNATURE, build_chunk

FILE = SIGNATURE + build_chunk(b"IHDR", b"13 bytes here") + build_chunk(b"tEXt", b"a\0b", crc_is_wrong=True) + END


def test_chunks_up_to_the_end_with_their_checksums() -> None:
    chunks = list(walk_chunks(FILE + b"garbage behind the end"))
    assert [(chunk.kind, bytes(chunk.content), chunk.is_crc_right) for chunk in chunks] == [
        (b"IHDR", b"13 bytes here", True),
        (b"tEXt", b"a\0b", False),
        (b"IEND", b"", True),
    ]
    assert [chunk.is_critical for chunk in chunks] == [True, False, True]
    assert chunks[-1].end == len(FILE)
    assert not any(chunk.is_cut for chunk in chunks)


@pytest.mark.parametrize("missing", [1, 4, 5, 12])
def test_a_cut_chunk_holds_what_came(missing: int) -> None:
    data = SIGNATURE + build_chunk(b"IDAT", b"0123456789")
    [chunk] = walk_chunks(data[:-missing])
    assert (chunk.is_cut, chunk.is_crc_right) == (True, False)
    assert bytes(chunk.content) == b"0123456789"[: len(b"0123456789") + min(0, 4 - missing)]


@pytest.mark.parametrize("rest", [b"", b"\0", b"\0\0\0\x05tEX"])
def test_a_cut_head_is_no_chunk(rest: bytes) -> None:
    assert not list(walk_chunks(SIGNATURE + rest))


def test_a_length_beyond_the_file_takes_no_memory() -> None:
    [chunk] = walk_chunks(SIGNATURE + b"\xff\xff\xff\xfftEXtabc")
    assert (chunk.is_cut, bytes(chunk.content)) == (True, b"abc")
