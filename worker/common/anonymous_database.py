"""SQLite databases that hold more than memory should: in a file without a name, which the process takes along."""

import sqlite3

_FILE = ""
"""SQLite unlinks such a database as soon as it has opened it; its pages go to disk, not to memory"""
_CACHE_KIB = 16 * 1024


def open_anonymous_database(schema: str) -> sqlite3.Connection:
    """Open an empty database with these tables, for threads that take turns; transactions begin and end by command."""
    database = sqlite3.connect(_FILE, check_same_thread=False, isolation_level=None)
    database.executescript(f"PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA journal_mode = OFF; {schema}")
    return database
