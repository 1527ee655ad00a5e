"""Make room in the cache: the revisions that were not used for longest are deleted, never one that is held."""

import shutil
from pathlib import Path

from pipeline.errors import CacheFull
from pipeline.registry.cache_entry import CacheEntry, list_entries
from pipeline.registry.file_lock import try_lock
from pipeline.registry.notices import Notify


def make_room(directory: Path, max_bytes: int, entry: CacheEntry, total_bytes: int, *, notify: Notify) -> None:
    """Reserve `total_bytes` for an entry that the caller holds; of two processes, one at a time may call this.

    Raises: CacheFull, which names the bytes that are missing in the bound of the cache or on the disk.
    """
    entry.reserve(total_bytes)
    others = sorted((other for other in list_entries(directory) if other != entry), key=CacheEntry.read_last_use)
    for oldest in (*others, None):
        shortage = _find_shortage(directory, max_bytes, entry, others, total_bytes)
        if shortage is None:
            return
        if oldest is None:
            raise CacheFull(f"a model of {total_bytes:,} bytes does not fit into the cache {directory}: {shortage}")
        with try_lock(oldest.hold) as is_free:
            if is_free:
                notify(f"{oldest.files} was not used for longest and is deleted, to make room")
                oldest.delete()
                others.remove(oldest)


def _find_shortage(
    directory: Path, max_bytes: int, entry: CacheEntry, others: list[CacheEntry], total_bytes: int
) -> str | None:
    """Describe the bytes that are missing. What others have reserved and not written yet is theirs."""
    on_disk = sum(other.measure_bytes() for other in others)
    taken = sum(max(other.measure_bytes(), other.read_reserved_bytes()) for other in others)
    if (missing := taken + total_bytes - max_bytes) > 0:
        return f"raise its bound of {max_bytes:,} bytes by {missing:,}, as the rest of it is in use"
    needed = total_bytes - entry.measure_bytes() + taken - on_disk
    if (missing := needed - shutil.disk_usage(directory).free) > 0:
        return f"{missing:,} bytes are missing on its disk"
    return None
