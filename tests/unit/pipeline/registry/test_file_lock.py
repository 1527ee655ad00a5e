from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.registry.file_lock import hold_lock, try_lock


class TooLong(Exception):
    pass


def refuse_to_wait() -> None:
    raise TooLong


def test_many_share_a_lock_and_one_has_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with hold_lock(path, shared=True, wait=refuse_to_wait), hold_lock(path, shared=True, wait=refuse_to_wait):
        with try_lock(path) as is_free:
            assert not is_free
        with pytest.raises(TooLong), hold_lock(path, shared=False, wait=refuse_to_wait):
            raise AssertionError("it is shared")
    with try_lock(path) as is_free:
        assert is_free
        with pytest.raises(TooLong), hold_lock(path, shared=True, wait=refuse_to_wait):
            raise AssertionError("it is held alone")


def test_who_waited_for_a_lock_that_was_deleted_holds_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with ExitStack() as holder:
        assert holder.enter_context(try_lock(path))

        def delete_and_release() -> None:
            path.unlink()
            holder.close()

        with hold_lock(path, shared=True, wait=delete_and_release), try_lock(path) as is_free:
            assert not is_free, "the file that is there is the one that is locked"


def test_an_error_of_the_holder_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), hold_lock(tmp_path / "lock", shared=True, wait=refuse_to_wait):
        (tmp_path / "none").read_text()
    with try_lock(tmp_path / "never") as is_free:
        assert not is_free
