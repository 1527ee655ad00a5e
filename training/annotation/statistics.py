"""Compute the paper's statistics of MagniFake for a built set, by class.

Source: paper section 3.2 (share with a box, boxes an image) and figure 7 (keywords).
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.verdict import Verdict
from training.dataset import splits
from training.dataset.labeled_image import LabeledImage, Split

TOP_WORDS = 20
AREA_EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MOST_BOXES = 8
_WORD = re.compile(r"[a-z]{3,}")
# Words that occur in any explanation, and words that name the class itself.
_EMPTY = frozenset(
    _WORD.findall(
        """
        the and are with for that this from which has have its his her their there these those was were not but into
        over under near such than more most very also where while can may might any all each both one two three image
        images photo photograph picture generated real model generative visible appear appears look looks seem seems
        show shows shown suggest suggests like would across between within without out off about above below left right
        upper lower middle center top bottom side background foreground crop
        """
    )
)


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """One class of the set. `with_box` and `boxes` are the paper's 99.5 % and 3.24; areas are shares of the image."""

    images: int
    explained: int
    with_box: float
    boxes: float
    boxes_per_image: dict[str, int]
    area_median: float | None
    areas: dict[str, int]
    keywords: dict[str, int]
    """how many explanations use each of the set's commonest words"""


@dataclass(frozen=True, slots=True)
class SetStatistics:
    whole: ClassStatistics
    by_label: dict[Verdict, ClassStatistics]
    by_split: dict[Split, dict[Verdict, int]]
    groups: int
    grouped: int
    """images that have a near-duplicate, or another image of their origin, in the set"""


def compute_statistics(images: Sequence[LabeledImage]) -> SetStatistics:
    sizes = Counter(image.require_provenance().group for image in images)
    counts = Counter((image.split, image.label) for image in images)
    top = [word for word, _ in count_keywords([image.explanation for image in images]).most_common(TOP_WORDS)]
    return SetStatistics(
        whole=_compute_class_statistics(images, top),
        by_label={
            label: _compute_class_statistics([image for image in images if image.label is label], top)
            for label in Verdict
        },
        by_split={split: {label: counts[split, label] for label in Verdict} for split in splits.SHARES},
        groups=len(sizes),
        grouped=sum(size for size in sizes.values() if size > 1),
    )


def count_keywords(explanations: Sequence[str]) -> Counter[str]:
    """Count the explanations that contain each word, without words of no content, plurals as their singular."""
    counts: Counter[str] = Counter()
    for text in explanations:
        words = (word for word in _WORD.findall(text.lower()) if word not in _EMPTY)
        counts.update({_make_singular(word) for word in words})
    return counts


def _compute_class_statistics(images: Sequence[LabeledImage], top: Sequence[str]) -> ClassStatistics:
    n = len(images)
    areas = sorted(
        box.area_px / math.prod(image.require_provenance().size_px) for image in images for box in image.regions
    )
    per_image = Counter(min(len(image.regions), MOST_BOXES) for image in images)
    words = count_keywords([image.explanation for image in images])
    return ClassStatistics(
        images=n,
        explained=sum(bool(image.explanation) for image in images),
        with_box=sum(bool(image.regions) for image in images) / n if n else 0.0,
        boxes=len(areas) / n if n else 0.0,
        boxes_per_image={_name_count(count): per_image[count] for count in range(MOST_BOXES + 1)},
        area_median=areas[len(areas) // 2] if areas else None,
        areas={
            f"{low:.0%} to {high:.0%}": sum(low < area <= high for area in areas)
            for low, high in itertools.pairwise(AREA_EDGES)
        },
        keywords={word: words[word] for word in top},
    )


def _name_count(count: int) -> str:
    return f"{count} or more" if count == MOST_BOXES else str(count)


def _make_singular(word: str) -> str:
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
