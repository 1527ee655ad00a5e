import threading
from contextlib import closing
from pathlib import Path

import pytest

from worker.common.anonymous_database import open_anonymous_database


def test_each_database_is_its_own_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    schema = "CREATE TABLE numbers (number INTEGER)"
    with closing(open_anonymous_database(schema)) as first, closing(open_anonymous_database(schema)) as second:
        first.execute("INSERT INTO numbers VALUES (7)")
        assert first.execute("SELECT number FROM numbers").fetchall() == [(7,)]
        assert second.execute("SELECT number FROM numbers").fetchall() == []
        assert list(tmp_path.iterdir()) == []


def test_threads_may_take_turns() -> None:
    with closing(open_anonymous_database("CREATE TABLE numbers (number INTEGER)")) as database:
        thread = threading.Thread(target=database.execute, args=("INSERT INTO numbers VALUES (1)",))
        thread.start()
        thread.join(timeout=10)
        assert database.execute("SELECT count(*) FROM numbers").fetchone() == (1,)
