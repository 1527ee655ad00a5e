"""Names of files about events; pure."""

import hashlib
import re

LONGEST_NAME = 100


def build_file_name(event_id: str) -> str:
    """Build a safe file name from `event_id`, which is untrusted: it can be `../..` or 10,000 letters long."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", event_id)[:LONGEST_NAME].lstrip(".")
    if plain and plain == event_id:
        return plain
    return f"{plain or 'event'}-{hashlib.sha256(event_id.encode(errors='replace')).hexdigest()[:8]}"
