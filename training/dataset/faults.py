"""Refuse sets with unusable images before anything is trained or measured on them, with counts by reason.

A set that `zoomin-train build` made has passed: the build leaves such images out, and its dataset card counts them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import geometry
from pipeline.errors import BadSettings
from pipeline.verdict import RgbImage, Verdict
from training.common.progress import Progress
from training.dataset import broken, manifest
from training.dataset.labeled_image import LabeledImage
from training.dataset.left_out import REPAIRED, LeftOut, count_reasons

MIXED_LABELS = "mixed_labels"
INVERTED, BEYOND = "box_inverted_or_empty", "box_beyond_the_image"
LEAST_SHARE = 0.2
"""share of the smaller class; below it a model learns to answer with the larger one"""


def open_checked(
    directory: Path,
    entries: Sequence[LabeledImage],
    left_out: list[LeftOut] | None = None,
    *,
    accept_repaired: bool = True,
) -> Iterator[tuple[LabeledImage, RgbImage]]:
    """Yield each entry with its image; one image is in memory at a time.

    Broken files are faults too, unless there is a list `left_out`: then a few of them are added to it. Repaired images,
    which are judged as viewers show them, are faults unless they are accepted.
    Raises: BadSettings at the end if there were faults, with their counts and the first file of each kind.
    """
    found: list[LeftOut] = []
    labeled: dict[str, LabeledImage] = {}
    progress = Progress("reading images", len(entries))
    for done, entry in enumerate(entries, start=1):
        opened = _open(directory / entry.file, entry, labeled)
        if isinstance(opened, RgbImage) and opened.repaired and not accept_repaired:
            opened = LeftOut(entry.file, REPAIRED)
        if isinstance(opened, LeftOut):
            found.append(opened)
        else:
            yield entry, opened
        progress.show(done)
    if left_out is not None:
        left_out += [fault for fault in found if fault.reason in broken.REASONS]
        broken.refuse_many(left_out, len(entries), directory)
        found = [fault for fault in found if fault.reason not in broken.REASONS]
    if found:
        reasons = broken.format_reasons(found)
        raise BadSettings(
            f"{len(found)} of {len(entries)} images of {directory} cannot be used ({reasons}); mend them, "
            f"or let `zoomin-train build {directory} --labels-only --out SET` leave out what it cannot use, and use SET"
        )


def refuse_unfit(directory: Path, entries: Sequence[LabeledImage]) -> dict[str, geometry.Size]:
    """Refuse a set that is too one-sided to train on or holds unusable images; return the images' sizes by file.

    Repaired images are unusable: a cut picture would teach that cuts belong to its class. A built set has left them out
    and is not read again.
    Raises: BadSettings.
    """
    refuse_one_sided(Counter(entry.label for entry in entries))
    if manifest.is_built(entries):
        return {entry.file: entry.require_provenance().size_px for entry in entries}
    checked = open_checked(directory, entries, accept_repaired=False)
    return {entry.file: image.size_px for entry, image in checked}


def refuse_unusable(directory: Path, entries: Sequence[LabeledImage]) -> None:
    """Refuse a set with unusable images; a built set has none and is not read again. Raises: BadSettings."""
    if not manifest.is_built(entries):
        for _ in open_checked(directory, entries):
            pass


def refuse_shared(
    directory: Path, entries: Sequence[LabeledImage], other: Path, others: Sequence[LabeledImage]
) -> None:
    """Refuse sets that share files, because one is to validate what is trained on the other.

    Raises: BadSettings with the count of shared files.
    """
    known = {_digest_file(directory, entry) for entry in entries}
    shared = [entry.file for entry in others if _digest_file(other, entry) in known]
    if shared:
        raise BadSettings(
            f"{len(shared)} of {len(others)} images of {other} are in {directory} too ({shared[0]}); name a set that "
            "shares none"
        )


def _digest_file(directory: Path, entry: LabeledImage) -> str:
    if entry.provenance:
        return entry.provenance.sha256
    return hashlib.sha256((directory / entry.file).read_bytes()).hexdigest()


def _open(file: Path, entry: LabeledImage, labeled: dict[str, LabeledImage]) -> RgbImage | LeftOut:
    opened = broken.read_image(file, entry.file)
    if isinstance(opened, LeftOut):
        return opened
    data, image = opened
    first = labeled.setdefault(hashlib.sha256(data).hexdigest(), entry)
    if first.label is not entry.label:
        return LeftOut(entry.file, MIXED_LABELS, f"{first.file} is the same file, and {first.label}")
    reasons = [reason for corners in entry.boxes or () if (reason := find_misplacement(corners, image.size_px))]
    return LeftOut(entry.file, reasons[0]) if reasons else image


def find_misplacement(corners: tuple[int, int, int, int], size: geometry.Size) -> str | None:
    """Return the reason why a box does not lie in an image of this size, or None."""
    x1, y1, x2, y2 = corners
    if x1 >= x2 or y1 >= y2:
        return INVERTED
    return BEYOND if min(x1, y1) < 0 or x2 > size[0] or y2 > size[1] else None


def refuse_one_sided(labels: Counter[Verdict], note: str = "") -> None:
    """Refuse a set of which one class has less than its least share. Raises: BadSettings with the counts."""
    if min(labels[label] for label in Verdict) < LEAST_SHARE * labels.total():
        counts = ", ".join(f"{labels[label]} {label}" for label in Verdict)
        raise BadSettings(
            f"too one-sided to train on: {counts}{note}; the smaller class needs {LEAST_SHARE:.0%} of all"
        )


def refuse_few(counts: Counter[Verdict], least: int, left_out: Sequence[LeftOut] = ()) -> None:
    """Refuse a set that is too small or too one-sided to train on. Raises: BadSettings with the counts."""
    by_label = ", ".join(f"{counts[label]} {label}" for label in Verdict)
    by_reason = "; ".join(f"{n} {reason}" for reason, n in count_reasons(left_out).items())
    note = f" (left out: {by_reason or 'none'})"
    if min(counts[label] for label in Verdict) < least:
        raise BadSettings(f"too few images to train on: {by_label}{note}; each class needs {least}, or set --least")
    refuse_one_sided(counts, note)
