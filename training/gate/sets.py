"""The sets of the gate: where each lies, its images, and the passes that the models are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.errors import BadSettings
from pipeline.verdict import RgbImage, Verdict
from training.dataset import splits
from training.dataset.labeled_image import Split
from training.dataset.left_out import LeftOut
from training.evaluation import evaluate, overlay, perturbations, samples
from training.evaluation.evaluate import Pass
from training.evaluation.jobs import Job
from training.evaluation.perturbations import Boxes, Perturb
from training.evaluation.samples import LazySamples
from training.gate.accuracy_rows import OVERLAYS, PERTURBED
from training.gate.demands import Demands
from training.gate.evidence import OWN, RANDOM, SET_NAMES
from training.gate.table import GatedSet, RowName, SetName
from training.runs.publishing import digest_entries

_PASSES: Mapping[str, Pass] = {name: evaluate.PASSES[name] for name in (OWN, RANDOM)}
_PERTURB: Mapping[str, Perturb] = {
    **perturbations.PERTURBATIONS,
    # The other way, from JPEG to a lossless file, changes no pixel.
    RowName.FORMAT_SWAP.value: partial(perturbations.compress_jpeg, quality=perturbations.STORED_QUALITY),
}


@dataclass(frozen=True, slots=True)
class SetPlace:
    """A labeled set on disk and the split of it that is judged; images without a split count too."""

    directory: Path
    split: Split

    @classmethod
    def parse(cls, text: str, split: Split) -> "SetPlace":
        """Read `DIR` or `DIR:SPLIT`; `split` stands where none is named. Raises: BadSettings."""
        directory, colon, name = text.rpartition(":")
        if not colon or "/" in name:
            return cls(Path(text), split)
        if name not in list(Split):
            raise BadSettings(f"{text}: there is no split {name}; choose one of {', '.join(Split)}")
        return cls(Path(directory), Split(name))

    def __str__(self) -> str:
        return f"{self.directory.resolve().name}:{self.split}"


@dataclass(frozen=True, slots=True)
class GateSet:
    """A set with its images, which are loaded as they are taken, and its files that could not be read."""

    place: SetPlace
    samples: LazySamples
    digest: str
    left_out: tuple[LeftOut, ...]

    @classmethod
    def read(cls, place: SetPlace, count: int) -> "GateSet":
        """Read at most `count` images, always the same. Raises: BadSettings when there is none, or many are broken."""
        left_out: list[LeftOut] = []
        drawn = samples.read_samples(place.directory, count, split=place.split, left_out=left_out)
        digest = digest_entries(splits.read_split(place.directory, place.split))
        return cls(place, drawn, digest, tuple(left_out))

    def describe(self) -> GatedSet:
        labels = [truth.label for truth in self.samples.truths]
        return GatedSet(
            name=str(self.place),
            digest=self.digest,
            real=labels.count(Verdict.REAL),
            generated=labels.count(Verdict.GENERATED),
            left_out=len(self.left_out),
        )


def read_places(**texts: str | None) -> dict[SetName, SetPlace]:
    """Read `DIR` or `DIR:SPLIT` of each set that is given. Raises: BadSettings."""
    return {
        name: SetPlace.parse(text, Split.GOLDEN if name == "golden" else Split.TEST)
        for name in SET_NAMES
        if (text := texts.get(name))
    }


def read_sets(places: Mapping[SetName, SetPlace], count: int) -> dict[SetName, GateSet]:
    """Read every set. Raises: BadSettings when there is none, one cannot be read, or two are the same."""
    if not places:
        raise BadSettings("there is no set to compare on; name one with --golden, --base or --new")
    named: dict[SetPlace, SetName] = {}
    for name, place in places.items():
        if other := named.get(place):
            raise BadSettings(f"--{other} and --{name} name the same images ({place}); name another set or split")
        named[place] = name
    return {name: GateSet.read(place, count) for name, place in places.items()}


def build_jobs(name: SetName, drawn: LazySamples, demands: Demands) -> Iterator[Job]:
    """Yield the passes over a set; those over perturbed images take a part of the golden set, balanced by class."""
    yield drawn, {OWN: _PASSES[OWN]} if name == "new" else _PASSES
    if name != "golden":
        return
    labels = [truth.label for truth in drawn.truths]
    perturbed = samples.choose_balanced(labels, demands.perturbed_images)
    yield (
        samples.select_samples(drawn, perturbed),
        {row.value: Pass(perturb=_PERTURB[row.value]) for row in PERTURBED},
    )
    generated = [number for number, label in enumerate(labels) if label is Verdict.GENERATED]
    overlaid = samples.select_samples(drawn, generated[: demands.overlay_images])
    texts = zip(OVERLAYS, overlay.TEXTS.values(), strict=True)
    yield overlaid, {pass_name: Pass(perturb=partial(_draw_text, text=text)) for pass_name, text in texts}


def count_predictions(sets: Mapping[SetName, GateSet], demands: Demands) -> int:
    """Return how many predictions each model makes."""
    jobs = [job for name, of_gate in sets.items() for job in build_jobs(name, of_gate.samples, demands)]
    return sum(len(drawn) * len(passes) for drawn, passes in jobs)


def _draw_text(image: RgbImage, boxes: Boxes, _seed: int, *, text: str) -> tuple[RgbImage, Boxes]:
    return overlay.draw_text(image, text), boxes
