"""Measure what a set reveals of its labels without its pictures, and refuse a set that reveals too much."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings, InternalFault
from training.annotation import format_leak, spectrum_leak
from training.annotation.format_leak import Leak
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.common.resampling import Metric
from training.dataset.frame import FrameOptions
from training.dataset.labeled_image import LabeledImage

TOLD_APART = "The classes differ in the fineness of their pixels: "
CURE = "build the set with `--sizes matched`, or a detector learns which pictures were enlarged."
OWN_FINENESS = (
    "their sizes are matched, so it is that of the pictures, or of the way in which they were delivered. Measure the "
    "detector on images of other sources before you trust it."
)
ACCEPT = "build it with --sizes matched, or add --accept-leak to use it as it is"


@dataclass(frozen=True, slots=True)
class Leaks:
    """The accuracy of classifiers that see no picture of a set framed in this way.

    `before` is of files as they came, `after` of the set's own files, `spectrum` of the energies of the set's pixels.
    """

    framing: FrameOptions
    before: Leak
    after: Leak
    spectrum: Metric

    @property
    def warning(self) -> str:
        """A sentence where the energies tell the classes apart, and what follows from it; else empty."""
        if not spectrum_leak.is_told_apart(self.spectrum):
            return ""
        return TOLD_APART + (OWN_FINENESS if self.framing.match_sizes else CURE)

    def refuse(self, *, accepted: bool) -> None:
        """Refuse a set that reveals its labels; what its own sizes reveal may be `accepted`.

        Where sizes are matched, energies that tell the classes apart are a warning alone: no option would change them.
        Raises: BadSettings where matched sizes are the cure; InternalFault where the codec chain must be broken.
        """
        found = self._describe_file_leak()
        if found and (self.framing.match_sizes or self.framing.frame == "512"):
            raise InternalFault(f"{found}; remove its images and build it again")
        if not found and not self.framing.match_sizes and spectrum_leak.is_told_apart(self.spectrum):
            found = f"band energies alone tell the set's classes apart ({self.spectrum})"
        if found and not accepted:
            raise BadSettings(f"{found}; {ACCEPT}")

    def _describe_file_leak(self) -> str:
        if self.after.at_chance:
            return ""
        worst, metric = max(self.after.by_feature.items(), key=lambda feature: feature[1].value or 0.0)
        return (
            f"the set's files tell its classes apart ({self.after.balanced_accuracy}), {worst} most of all ({metric})"
        )


def measure_leaks(root: Path, images: Sequence[LabeledImage], framing: FrameOptions, *, workers: int) -> Leaks:
    """Measure a set below `root`; `workers` processes read its pixels, one file at a time in each."""
    labels = [image.label for image in images]
    files = [root / image.file for image in images]
    progress = Progress("measuring spectra", len(files))
    energies = run_parallel(spectrum_leak.measure_band_energies, files, workers, after_each=progress.show)
    return Leaks(
        framing,
        before=format_leak.measure_leak([format_leak.read_source_features(image) for image in images], labels),
        after=format_leak.measure_leak([format_leak.read_file_features(file) for file in files], labels),
        spectrum=spectrum_leak.measure_spectrum_leak(
            energies, labels, [image.require_provenance().group for image in images]
        ),
    )
