"""Image files on this machine: read within the worker's limit, and the files that a command writes about them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import BadSettings, ImageMissing, ImageTooLarge
from pipeline.evidence.file_name import build_file_name


def read_image_file(path: Path, *, max_bytes: int) -> tuple[bytes, int]:
    """Return a file's bytes and when it was modified, in ms. Raises: ImageMissing, ImageTooLarge."""
    if path.is_fifo() and path != Path("/dev/stdin"):
        raise ImageMissing("cannot be read: it is a named pipe")
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
            modified_ms = int(path.stat().st_mtime * 1000)
    except OSError as error:
        raise ImageMissing(f"cannot be read: {error.strerror}") from error
    if len(data) > max_bytes:
        raise ImageTooLarge(f"more than {max_bytes} bytes; ZOOMIN_STORE__MAX_IMAGE_BYTES is the limit")
    return data, modified_ms


def choose_png_paths(files: Sequence[Path], directory: Path) -> dict[Path, Path]:
    """Return a path in `directory` for each file: its name as .png, with a digest where two files have the same name.

    Raises: BadSettings, as `prepare_outputs`.
    """
    alike = Counter(file.stem for file in set(files))
    paths = {
        file: directory / f"{build_file_name(file.stem if alike[file.stem] == 1 else str(file))}.png" for file in files
    }
    prepare_outputs(paths.values(), keep=files)
    return paths


def prepare_outputs(paths: Iterable[Path], *, keep: Iterable[Path]) -> None:
    """Create the directories of files that will be written.

    Raises: BadSettings if they cannot be created, or if a path is one of the files to keep.
    """
    sources = {file.resolve() for file in keep}
    for path in paths:
        if path.resolve() in sources:
            raise BadSettings(f"{path} would be overwritten, which is read; write to another directory")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadSettings(f"nothing can be saved at {path}: a part of it is a file; name a directory") from error
        except OSError as error:
            raise BadSettings(f"nothing can be saved at {path}: {error.strerror}") from error
