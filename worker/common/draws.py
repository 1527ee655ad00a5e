"""Draws by the hash of a name: a redelivery draws the same, and decisions of different names are independent."""

import hashlib

LONGEST_KEY = 64
"""bytes of the salt that the hash takes"""


def draw(decision: str, fraction: float, name: str, salt: bytes) -> bool:
    """Return whether `name` is among the `fraction` that this decision draws; a higher fraction draws it as well."""
    text = f"{decision}{name}".encode(errors="replace")  # untrusted text may hold half a surrogate pair
    digest = hashlib.blake2b(text, key=salt[:LONGEST_KEY], digest_size=8).digest()
    return int.from_bytes(digest) < fraction * 2**64
