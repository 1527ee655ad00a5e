"""Which split each image goes to: whole groups of near-duplicates, both classes in their shares, the same each time."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.verdict import Verdict
from training.dataset.tuples import Split

SHARES: Mapping[Split, float] = {Split.TRAIN: 0.8, Split.VALIDATION: 0.1, Split.TEST: 0.1}


@dataclass(frozen=True, slots=True)
class Member:
    """An image as far as splits are concerned."""

    sha256: str
    label: Verdict
    group: int


def assigned(members: Sequence[Member], *, seed: int, shares: Mapping[Split, float] = SHARES) -> list[Split]:
    """The split of each member.

    Groups come in an order drawn by seed and digest, the large ones first; each goes to the split that lacks most of
    its labels, where every split is due one image of each class at least.
    """
    smallest_first = sorted(shares, key=lambda split: shares[split])
    *small, largest = smallest_first
    by_group: dict[int, list[Member]] = defaultdict(list)
    for member in members:
        by_group[member.group].append(member)
    wanted = Counter(member.label for member in members)
    due = {(split, label): max(1.0, shares[split] * n) for split in small for label, n in wanted.items()}
    due |= {(largest, label): n - sum(due[split, label] for split in small) for label, n in wanted.items()}
    held: Counter[tuple[Split, Verdict]] = Counter()
    chosen: dict[int, Split] = {}
    for group, inside in sorted(by_group.items(), key=lambda item: (-len(item[1]), _drawn(item[1], seed))):
        labels = Counter(member.label for member in inside)

        def lack(split: Split, labels: Counter[Verdict] = labels) -> float:
            return sum(n * (due[split, label] - held[split, label]) / wanted[label] for label, n in labels.items())

        split = max(smallest_first, key=lack)
        chosen[group] = split
        held.update({(split, label): n for label, n in labels.items()})
    return [chosen[member.group] for member in members]


def _drawn(inside: Sequence[Member], seed: int) -> bytes:
    first = min(member.sha256 for member in inside)
    return hashlib.blake2b(first.encode(), key=str(seed).encode(), digest_size=16).digest()
