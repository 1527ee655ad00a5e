"""Files written byte by byte, because no encoder would write them."""

import struct
import zlib

from tests.support.image_files.png import END, SIGNATURE, build_chunk, build_header

MEBI = 1 << 20


def png(width: int, height: int, *, depth: int = 8, color: int = 0, rows: bytes = b"") -> bytes:
    """A PNG that says it has this size; `rows` is what its data unpacks to."""
    header = build_header(width, height, depth=depth, color_type=color)
    return SIGNATURE + header + build_chunk(b"IDAT", zlib.compress(rows, 9)) + END


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG of gray: each of its scans is 16 bytes that say of every block anew that nothing changes."""
    blocks = ((side + 7) // 8) ** 2
    tables = _segment(0xDB, b"\0" + b"\1" * 64)
    frame = _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    one_code = bytes([1, *[0] * 15])
    codes = _segment(0xC4, b"\0" + one_code + b"\0") + _segment(0xC4, b"\x10" + one_code + b"\xe0")
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes((blocks + 7) // 8)
    runs = "0" + "1" * 14  # the one code, then how many of 32767 blocks end here: all
    bits = runs * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    again = _segment(0xDA, b"\1\1\0\1\1\0") + packed
    return b"\xff\xd8" + tables + frame + codes + first + again * scans + b"\xff\xd9"


def tiff_of_directories(count: int) -> bytes:
    """A TIFF of so many frames, all of the same one gray pixel."""
    pixel_at, first_at = 8, 12
    fields = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, pixel_at), (277, 1), (278, 1), (279, 1)]
    directory = _directory(fields)
    size = len(directory) + 4
    chained = (directory + struct.pack("<I", first_at + number * size) for number in range(1, count))
    header = b"II*\0" + struct.pack("<I", first_at) + b"\x80\0\0\0"
    return header + b"".join(chained) + directory + bytes(4)


def tiff_of_a_tile(side: int) -> bytes:
    """A TIFF of 8 x 8 pixels within one tile of `side` squared, whose 3 bytes a pixel are packed into very few."""
    packed = _packed_zeros(3 * side * side)
    fields = [(256, 8), (257, 8), (258, 0), (259, 8), (262, 2), (277, 3), (284, 1), (322, side), (323, side), (324, 0)]
    depths_at = 8 + len(_directory([*fields, (325, 0)])) + 4
    fields[9] = (324, depths_at + 6)
    directory = _directory([*fields, (325, len(packed))]).replace(
        struct.pack("<HHII", 258, 4, 1, 0), struct.pack("<HHII", 258, 3, 3, depths_at)
    )
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + struct.pack("<HHH", 8, 8, 8) + packed


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _directory(fields: list[tuple[int, int]]) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return struct.pack("<H", len(fields)) + entries


def _packed_zeros(count: int) -> bytes:
    """What zlib.compress(bytes(count)) is good for, without having the zeros; for whole MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    mebi = packer.compress(bytes(MEBI)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    checksum = struct.pack(">HH", count % 65521, 1)
    return b"\x78\xda" + mebi * (count // MEBI) + end + checksum
