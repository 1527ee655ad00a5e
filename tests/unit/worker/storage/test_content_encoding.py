import gzip
import zlib

import pytest

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable
from worker.storage.content_encoding import MAX_LAYERS, undo_content_encoding

IMAGE = b"an image " * 100
RAW_DEFLATE = zlib.compress(IMAGE)[2:-4]


def undo(data: bytes, encoding: str, limit_bytes: int = 1 << 20) -> bytes:
    return undo_content_encoding(data, encoding, limit_bytes=limit_bytes)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(IMAGE)),
        (" GZIP ", gzip.compress(IMAGE)),
        ("x-gzip", gzip.compress(IMAGE)),
        ("deflate", zlib.compress(IMAGE)),
        ("deflate", RAW_DEFLATE),
        ("deflate, gzip", gzip.compress(zlib.compress(IMAGE))),
        ("gzip,aws-chunked", gzip.compress(IMAGE)),
        ("identity", IMAGE),
        ("", IMAGE),
    ],
)
def test_an_encoding_is_undone(encoding: str, data: bytes) -> None:
    assert undo(data, encoding) == IMAGE


@pytest.mark.parametrize("encoding", ["utf-8", "base64", "gzip, x", "x"])
def test_a_name_that_browsers_do_not_know_leaves_the_bytes_as_they_are(encoding: str) -> None:
    assert undo(IMAGE, encoding) == IMAGE


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", ", ".join(["gzip"] * (MAX_LAYERS + 1))])
def test_an_encoding_that_is_not_undone_is_named(encoding: str) -> None:
    with pytest.raises(ImageRefused, match="Content-Encoding"):
        undo(gzip.compress(IMAGE), encoding)


def test_bytes_that_are_not_encoded_as_said_are_shown_by_no_browser() -> None:
    for encoding in ("gzip", "deflate"):
        with pytest.raises(ImageUndecodable, match=encoding):
            undo(b"\xff" * 50, encoding)


def test_an_image_that_was_cut_short_is_as_long_as_it_is() -> None:
    assert IMAGE.startswith(undo(gzip.compress(IMAGE)[:-20], "gzip"))


def test_an_image_that_unpacks_to_too_much_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    with pytest.raises(ImageTooLarge, match="ZOOMIN_STORE__MAX_IMAGE_BYTES"):
        undo(bomb, "gzip", limit_bytes=1000)
    assert undo(gzip.compress(bytes(1000)), "gzip", limit_bytes=1000) == bytes(1000)
