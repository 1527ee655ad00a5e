import os
from pathlib import Path

import pytest

from pipeline.errors import BadSettings, ImageMissing, ImageTooLarge
from worker.cli.local_files import choose_png_paths, prepare_outputs, read_image_file


def test_a_file_is_read_with_its_time_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12345")
    data, modified_ms = read_image_file(file, max_bytes=5)
    assert (data, modified_ms) == (b"12345", int(file.stat().st_mtime * 1000))
    with pytest.raises(ImageTooLarge, match="MAX_IMAGE_BYTES"):
        read_image_file(file, max_bytes=4)


@pytest.mark.parametrize(("name", "reason"), [("none", "No such file"), (".", "directory")])
def test_what_cannot_be_read_is_missing(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ImageMissing, match=reason):
        read_image_file(tmp_path / name, max_bytes=5)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageMissing, match="named pipe"):
        read_image_file(tmp_path / "pipe", max_bytes=10)


def test_each_file_has_a_path_of_its_own(tmp_path: Path) -> None:
    files = [Path("x/a.jpg"), Path("y/a.jpg"), Path("a.gif"), Path("b.jpg"), Path("c d.jpg"), Path("b.jpg")]
    paths = choose_png_paths(files, tmp_path / "out")
    assert paths[Path("b.jpg")] == tmp_path / "out" / "b.png"
    assert len(set(paths.values())) == len(set(files))
    assert {path.parent for path in paths.values()} == {tmp_path / "out"}
    assert (tmp_path / "out").is_dir()


def test_an_output_replaces_no_file_that_is_read(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"a\.png would be overwritten"):
        choose_png_paths([tmp_path / "x" / ".." / "a.png"], tmp_path)
    prepare_outputs([tmp_path / "a.png"], keep=[tmp_path / "b.png"])


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSettings, match=r"saved at .*file/a\.png: a part of it is a file; name a directory"):
        prepare_outputs([tmp_path / "file" / "a.png"], keep=[])
