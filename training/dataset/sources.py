"""List the labeled images of a source, a folder tree or a directory with a manifest, without opening any of them."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import UNREADABLE, LeftOut, read_left_out

NO_LABEL, GOLDEN = "no_label", "golden_image"
# Names of a folder of one class: ours, GenImage's and MMFR's.
LABEL_FOLDERS = {
    **dict.fromkeys(("real", "nature", "0_real"), Verdict.REAL),
    **dict.fromkeys(("generated", "fake", "ai", "1_fake"), Verdict.GENERATED),
}
SPLIT_FOLDERS = frozenset({"train", "val", "validation", "test"})


def list_images(source: Path) -> Iterator[LabeledImage | LeftOut]:
    """List everything in `source` in the order of names; a manifest or the names of folders give the labels.

    Raises: BadSettings if there is no such directory, or a line of the manifest cannot be read.
    """
    if not source.is_dir():
        raise BadSettings(f"no directory {source}; name one with folders real and generated, or with {manifest.NAME}")
    if (source / manifest.NAME).is_file():
        return _list_manifest(source)
    return _list_folders(source)


def _list_manifest(source: Path) -> Iterator[LabeledImage | LeftOut]:
    """List the images of a manifest, and those that were left out when the directory was filled.

    Golden images are left out too: they would get another split.
    """
    yield from read_left_out(source)
    for image in sorted(manifest.read_manifest(source), key=lambda image: image.file):
        yield LeftOut(image.file, GOLDEN, "a test image for ever") if image.split is Split.GOLDEN else image


def _list_folders(source: Path) -> Iterator[LabeledImage | LeftOut]:
    """List a folder tree; the folder above those of the classes names the source, as with GenImage's and MMFR's."""
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        inside = path.relative_to(source)
        file = inside.as_posix()
        printable = file.encode(errors="replace").decode()
        folders = [*inside.parent.parts]
        while folders and folders[-1].lower() not in LABEL_FOLDERS:
            folders.pop()
        if not folders:
            yield LeftOut(printable, NO_LABEL, f"no folder above it is one of {', '.join(LABEL_FOLDERS)}")
        elif printable != file:
            yield LeftOut(printable, UNREADABLE, "its name is not UTF-8")
        else:
            label = LABEL_FOLDERS[folders.pop().lower()]
            named = [folder for folder in folders if folder.lower() not in SPLIT_FOLDERS]
            yield LabeledImage(file=file, label=label, source=named[-1] if named else None)
