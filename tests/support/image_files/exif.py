"""Builds blocks of EXIF entry by entry, so that a test can state any type and count."""

import struct

BYTE, ASCII, SHORT, LONG, SSHORT = 1, 2, 3, 4, 8
EXIF_DIRECTORY = 0x8769


def build_exif(*entries: tuple[int, int, int, int], order: str = "<", start: int = 8) -> bytes:
    """Build a block of EXIF from entries: tag, type, count and value, written as a SHORT."""
    opening = b"II*\0" if order == "<" else b"MM\0*"
    return opening + struct.pack(f"{order}I", start) + build_directory(*entries, order=order)


def build_directory(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    packed = b"".join(struct.pack(f"{order}HHIHxx", *entry) for entry in entries)
    return struct.pack(f"{order}H", len(entries)) + packed + bytes(4)
