"""The evidence that the gate judges: the predictions of both models over the same images, their seconds and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.verdict import Verdict
from training.evaluation.metrics import Prediction
from training.gate.table import SetName
from training.shadow.demand import ShadowEvidence

OWN, RANDOM = "own", "random"
Passes = Mapping[str, Sequence[Prediction]]
"""the predictions over one set by pass; the passes over perturbed images hold a part of the set"""
TITLES: Mapping[SetName, str] = {"golden": "golden set", "base": "base set", "new": "set of new kinds"}
SET_NAMES: Sequence[SetName] = tuple(TITLES)


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """One model's predictions by set, the seconds of each timed image (None where unreadable), and its bytes."""

    sets: Mapping[SetName, Passes]
    latencies_s: Sequence[float | None]
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Fault:
    """The reason why a set cannot be judged, and how many images it lacks."""

    sentence: str
    missing_images: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both models over the same images in the same order, and their shadow run if there was one.

    Raises: ValueError when the images are not the same.
    """

    champion: ModelEvidence
    challenger: ModelEvidence
    shadow: ShadowEvidence | None = None

    def __post_init__(self) -> None:
        theirs, ours = (
            {(name, key): [(p.file, p.label) for p in passes[key]] for name, passes in m.sets.items() for key in passes}
            for m in (self.champion, self.challenger)
        )
        if theirs != ours:
            raise ValueError("the models did not answer about the same images in the same order")

    def pair(self, name: SetName, pass_name: str = OWN) -> "Pair":
        """Return the predictions of a pass over a set by both; empty where there is no such set."""
        champion, challenger = (
            tuple(model.sets.get(name, {}).get(pass_name, ())) for model in (self.champion, self.challenger)
        )
        return Pair(champion, challenger)

    def pool(self, *names: SetName, pass_name: str = OWN) -> "Pair":
        """Return the predictions over several sets, one after the other."""
        pairs = [self.pair(name, pass_name) for name in names]
        return Pair(
            tuple(prediction for pair in pairs for prediction in pair.champion),
            tuple(prediction for pair in pairs for prediction in pair.challenger),
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """The predictions of both models over the same images."""

    champion: Sequence[Prediction]
    challenger: Sequence[Prediction]

    def __len__(self) -> int:
        return len(self.champion)

    def select(self, label: Verdict, source: str | None = None) -> "Pair":
        """Return the images of this label, and of this source if one is named."""
        chosen = [
            pair
            for pair in zip(self.champion, self.challenger, strict=True)
            if pair[0].label is label and source in (None, pair[0].source)
        ]
        return Pair(tuple(theirs for theirs, _ in chosen), tuple(ours for _, ours in chosen))

    def find_fault(self, title: str, option: str, least: int) -> Fault | None:
        """Return why the set `title`, given by `option`, cannot be judged; it needs `least` images of each class."""
        if not len(self):
            return Fault(f"there is no {title}; name one with {option}")
        counts = {label: len(self.select(label)) for label in Verdict}
        lacking = {label: least - count for label, count in counts.items() if count < least}
        for label in lacking:
            if not counts[label]:
                other = next(each for each in Verdict if each is not label)
                return Fault(f"the {title} holds only {other} images; add {label} ones", least)
        if lacking:
            parts = " and ".join(f"{counts[label]} {label}" for label in lacking)
            return Fault(f"the {title} holds {parts} images, and needs {least} of each class", sum(lacking.values()))
        return None
