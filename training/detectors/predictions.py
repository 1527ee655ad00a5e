"""Turn the answers of a score file into predictions on the images of a report, for the same metrics as ours.

A set or a copy of which the file answers no image was not asked about, and has no predictions. Of any other, an image
without an answer counts as wrong.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import images
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.detectors.images import name_copy, name_image
from training.detectors.score_file import FILE, Score, ScoreFile, read_scores
from training.evaluation.metrics import Prediction
from training.evaluation.perturbations import Perturb
from training.evaluation.samples import Sample, list_truths

THRESHOLD = 0.5
"""probability from which an image is called generated"""


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """Another detector: the name of its rows, and its answers."""

    name: str
    answers: ScoreFile


def read_detectors(named: Sequence[tuple[str, Path]], taken: Collection[str]) -> list[Detector]:
    """Read the score file of each detector; `taken` are names that rows have already. Raises: BadSettings."""
    names = [name for name, _ in named]
    for name in names:
        if name in taken or names.count(name) > 1:
            raise BadSettings(f"two rows would be called {name}; give each detector of --scores a name of its own")
    return [Detector(name, read_scores(path)) for name, path in named]


@dataclass(frozen=True, slots=True, eq=False)
class AskedImages:
    """The images of one set, or its copies by the perturbation `copy`; `directory` is None where they are no files."""

    folder: str
    samples: Sequence[Sample]
    directory: Path | None = None
    copy: str = ""
    perturb: Perturb | None = None
    is_own: bool = False

    @property
    def files(self) -> list[str]:
        """The paths of the images in their set."""
        return [truth.file for truth in list_truths(self.samples)]

    def list_names(self, number: int, file: str, key: str) -> tuple[str, ...]:
        """Return the names that a score file may have for an image: by its path in the set, or by its digest."""
        if key != FILE:
            return (self._digest_image(number, file),)
        if self.copy:
            return (name_copy(self.folder, self.copy, file),)
        return (name_image(self.folder, file), *((file,) if self.is_own else ()))

    def _digest_image(self, number: int, file: str) -> str:
        if self.directory and not self.copy:
            return hashlib.sha256((self.directory / file).read_bytes()).hexdigest()
        sample = self.samples[number]
        image = self.perturb(sample.image, sample.annotated, sample.number)[0] if self.perturb else sample.image
        return hashlib.sha256(images.encode_png(image.pixels)).hexdigest()


def refuse_unmatched(detector: Detector, own: AskedImages, title: str) -> None:
    """Refuse answers about other images than those of tables 1 and 3, the set `own`. Raises: BadSettings."""
    answers = detector.answers
    files = own.files
    if any(_find_scores(answers, own, files)):
        return
    expected = own.list_names(0, files[0], answers.key)[0]
    raise BadSettings(
        f"{answers.path}: no row is about an image of {title}; its first {answers.key} is "
        f"{next(iter(answers.scores))}, that of the set {expected}; run the detector on the images that "
        "`zoomin-train baseline images` writes"
    )


def predict_from_scores(
    detector: Detector, asked: AskedImages, truths: Sequence[Prediction]
) -> list[Prediction] | None:
    """Return a detector's predictions on images whose truth is that of `truths`; None where it was not asked."""
    scores = list(_find_scores(detector.answers, asked, [truth.file for truth in truths]))
    if not any(scores):
        return None
    return [_build_prediction(truth, score) for truth, score in zip(truths, scores, strict=True)]


def count_unanswered(predictions: Sequence[Prediction]) -> int:
    return sum(prediction.check_verdict is None for prediction in predictions)


def list_seconds(detector: Detector, own: AskedImages) -> list[float]:
    """Return the seconds of those images of the set that have an answer with its time."""
    scores = _find_scores(detector.answers, own, own.files)
    return [score.seconds for score in scores if score and score.seconds is not None]


def _find_scores(answers: ScoreFile, asked: AskedImages, files: Sequence[str]) -> Iterator[Score | None]:
    for number, file in enumerate(files):
        names = asked.list_names(number, file, answers.key)
        yield next((answers.scores[name] for name in names if name in answers.scores), None)


def _build_prediction(truth: Prediction, score: Score | None) -> Prediction:
    """Build a prediction without Query 1 and words; a detector has one verdict."""
    unanswered = Prediction(
        truth.label,
        None,
        None,
        (),
        truth.annotated,
        source=truth.source,
        file=truth.file,
        weight=truth.weight,
        undrawn=truth.undrawn,
    )
    if score is None:
        return unanswered
    return replace(
        unanswered,
        check_verdict=Verdict.GENERATED if score.p_generated >= THRESHOLD else Verdict.REAL,
        regions=score.boxes,
        p_generated=score.p_generated,
        p_generated_raw=score.p_generated,
    )
