"""Labeled images as they come in: a folder tree or a manifest, listed without opening any of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import geometry
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.dataset import manifest
from training.dataset.tuples import LeftOut, read_left_out

NO_LABEL = "no_label"
# Ours, GenImage's and MMFR's names for a folder of one class.
LABEL_FOLDERS = {
    **dict.fromkeys(("real", "nature", "0_real"), Verdict.REAL),
    **dict.fromkeys(("generated", "fake", "ai", "1_fake"), Verdict.GENERATED),
}
SPLIT_FOLDERS = frozenset({"train", "val", "validation", "test"})


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """A file and what is known of it; `name` is its path within the source, `origin` is a manifest's.

    `source` is a manifest's too, or the folder that holds those of the classes: GenImage's and MMFR's generator.
    `boxes` (pixels of the upright file, unchecked) with what they show, and `explanation`, are there when people or a
    generator of scenes gave them.
    """

    path: Path
    name: str
    label: Verdict
    origin: str = ""
    source: str | None = None
    boxes: tuple[geometry.Corners, ...] = ()
    shown: tuple[str, ...] = ()
    explanation: str = ""


def listed(source: Path) -> Iterator[LabeledImage | LeftOut]:
    """Everything in `source`, in the order of names: a directory with a manifest, or one whose folders name the class.

    Raises: BadSettings when there is nothing there, or a line of the manifest cannot be read.
    """
    if not source.is_dir():
        raise BadSettings(f"no directory {source}; name one with folders real and generated, or with {manifest.NAME}")
    if (source / manifest.NAME).is_file():
        return _from_manifest(source)
    return _from_folders(source)


def _from_manifest(source: Path) -> Iterator[LabeledImage | LeftOut]:
    """What was left out on its way into the directory is told too."""
    yield from read_left_out(source)
    for entry in sorted(manifest.read(source), key=lambda entry: entry.file):
        yield LabeledImage(
            path=source / entry.file,
            name=entry.file,
            label=entry.label,
            origin=entry.origin,
            source=entry.source,
            boxes=tuple(entry.boxes),
            shown=tuple(entry.shown),
            explanation=entry.explanations.check if entry.explanations else "",
        )


def _from_folders(source: Path) -> Iterator[LabeledImage | LeftOut]:
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        inside = path.relative_to(source)
        folders = [*inside.parent.parts]
        while folders and folders[-1].lower() not in LABEL_FOLDERS:
            folders.pop()
        if not folders:
            yield LeftOut(inside.as_posix(), NO_LABEL, f"no folder above it is one of {', '.join(LABEL_FOLDERS)}")
        else:
            label = LABEL_FOLDERS[folders.pop().lower()]
            named = [folder for folder in folders if folder.lower() not in SPLIT_FOLDERS]
            yield LabeledImage(path, inside.as_posix(), label, source=named[-1] if named else None)
