"""Assign the images of a set to splits, and read one of them. A snapshot assigns its own in training/snapshot.

In an assignment groups stay whole, both classes get their shares, and the result is reproducible.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.verdict import Verdict
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split

SHARES: Mapping[Split, float] = {Split.TRAIN: 0.8, Split.VALIDATION: 0.1, Split.TEST: 0.1}


def read_split(directory: Path, split: Split) -> list[LabeledImage]:
    """Read the images of a set that are of this split, or of none; all training reads its images here.

    Golden images are thus read only by who asks for them. Raises: BadSettings.
    """
    return [image for image in manifest.read_manifest(directory) if image.split in (None, split)]


def assign_splits(
    images: Sequence[LabeledImage], *, seed: int, shares: Mapping[Split, float] = SHARES
) -> list[LabeledImage]:
    """Return the images, which have a provenance, with their splits.

    Groups are processed by size, the largest first, and groups of one size in an order drawn from seed and digest. Each
    goes to the split that lacks most of its labels; every split is due at least one image of each class.
    """
    smallest_first = sorted(shares, key=lambda split: shares[split])
    *small, largest = smallest_first
    by_group: dict[str, list[LabeledImage]] = defaultdict(list)
    for image in images:
        by_group[image.require_provenance().group].append(image)
    wanted = Counter(image.label for image in images)
    due = {(split, label): max(1.0, shares[split] * n) for split in small for label, n in wanted.items()}
    due |= {(largest, label): n - sum(due[split, label] for split in small) for label, n in wanted.items()}
    assigned: Counter[tuple[Split, Verdict]] = Counter()
    chosen: dict[str, Split] = {}
    for group, members in sorted(by_group.items(), key=lambda item: (-len(item[1]), _draw_rank(item[1], seed))):
        labels = Counter(image.label for image in members)

        def measure_lack(split: Split, labels: Counter[Verdict] = labels) -> float:
            return sum(n * (due[split, label] - assigned[split, label]) / wanted[label] for label, n in labels.items())

        split = max(smallest_first, key=measure_lack)
        chosen[group] = split
        assigned.update({(split, label): n for label, n in labels.items()})
    return [image.model_copy(update={"split": chosen[image.require_provenance().group]}) for image in images]


def _draw_rank(members: Sequence[LabeledImage], seed: int) -> bytes:
    first = min(image.require_provenance().sha256 for image in members)
    return hashlib.blake2b(first.encode(), key=str(seed).encode(), digest_size=16).digest()
