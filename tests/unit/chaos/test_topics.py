"""Commits are read out of __consumer_offsets as Kafka 4 writes them."""

import struct
from dataclasses import dataclass

import pytest

from tests.chaos.topics import committed
from tests.chaos.verification import Commit


@dataclass
class Written:
    key: bytes
    value: bytes | None


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def commit(
    offset: int, *, group: str = "g", topic: str = "t", partition: int = 5, version: int = 4, label: str = ""
) -> Written:
    key = struct.pack(">h", 1) + text(group) + text(topic) + struct.pack(">i", partition)
    value = (
        struct.pack(">hqi", version, offset, -1)
        + bytes([len(label) + 1])
        + label.encode()
        + struct.pack(">q", 1_700_000_000_000)
        + b"\x00"
    )
    return Written(key, value)


def test_commits_of_the_group_are_read_in_their_order() -> None:
    membership = Written(struct.pack(">h", 2) + text("g"), b"members")
    forgotten = Written(commit(9).key, None)
    records = [commit(7), membership, commit(8, group="h"), commit(9, topic="u"), forgotten, commit(4, partition=0)]
    at = 1_700_000_000_000
    assert committed(records, "g", "t") == [Commit(5, 7, at), Commit(0, 4, at)]


def test_a_commit_with_the_label_of_its_transaction_is_read() -> None:
    assert committed([commit(7, label="c9e1f4ca7e50d641")], "g", "t") == [Commit(5, 7, 1_700_000_000_000)]


def test_a_label_whose_length_takes_two_bytes_is_refused_rather_than_misread() -> None:
    with pytest.raises(ValueError, match="long label"):
        committed([commit(7, label="x" * 127)], "g", "t")


@pytest.mark.parametrize("version", [3, 5])
def test_another_version_is_refused_rather_than_misread(version: int) -> None:
    with pytest.raises(ValueError, match=f"version {version}"):
        committed([commit(7, version=version)], "g", "t")
