"""Select the cases of a snapshot: one image for each picture, none that the base has, each with its split. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.verdict import Verdict
from pipeline.wire.labels import SampleReason
from training.dataset.duplicates import Fingerprint, KnownPictures
from training.dataset.faults import MIXED_LABELS
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import LeftOut
from training.labeling.download import DELETED
from training.snapshot.assignment import Assignment, Picture, SplitAssigner, draw_fraction

REPEATED, IN_BASE = "repeated_image", "near_duplicate_of_base"
DISPLACED = "near_duplicate_of_case"
"""an image of the base that a case has, whose split was drawn before the base had it"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agreed case that could be in the snapshot; `key` is that of its facts."""

    key: str
    case_id: str
    recorded_at: datetime
    label: Verdict
    picture: Picture


@dataclass(frozen=True, slots=True)
class SelectedCase:
    key: str
    label: Verdict
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of a snapshot in the order of their records, and why the others are left out.

    `displaced` are the numbers of the base's pictures that give way to a case.
    """

    cases: list[SelectedCase]
    left_out: list[LeftOut]
    displaced: set[int]


def build_candidate(key: str, image: LabeledImage, mirrored: str) -> Candidate:
    provenance, case = image.require_provenance(), image.case
    assert case is not None, f"{image.file} comes from no case"
    fingerprint = Fingerprint(provenance.perceptual_hash, mirrored)
    is_control = SampleReason.CONTROL in case.reasons
    picture = Picture(provenance.sha256, provenance.source_sha256, fingerprint, is_control)
    return Candidate(key, case.case_id, case.recorded_at, image.label, picture)


def select_cases(
    candidates: Iterable[Candidate], *, deleted: Collection[str], base: KnownPictures, assigner: SplitAssigner
) -> Selection:
    """Select the cases of the snapshot.

    A picture that the base has is left out, unless it has a split since an earlier snapshot: then the base's gives way.
    """
    selection = Selection([], [], set())
    of_picture: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.picture.source_sha256 in deleted:
            selection.left_out.append(LeftOut(candidate.case_id, DELETED))
        else:
            of_picture[candidate.picture.sha256].append(candidate)
    chosen = [one for same in of_picture.values() for one in _choose_case(same, selection.left_out)]
    for candidate in sorted(chosen, key=lambda candidate: (candidate.recorded_at, candidate.case_id)):
        in_base = base.find_near_duplicates(candidate.picture.fingerprint)
        is_new = assigner.find_split(candidate.picture) is None
        assignment = IN_BASE if in_base and is_new else assigner.assign(candidate.picture)
        if not is_new:
            selection.displaced.update(in_base)
        if isinstance(assignment, str):
            selection.left_out.append(LeftOut(candidate.case_id, assignment))
        else:
            selection.cases.append(SelectedCase(candidate.key, candidate.label, assignment))
    return selection


def _choose_case(same: Sequence[Candidate], left_out: list[LeftOut]) -> list[Candidate]:
    """Choose the first case of one picture, a control case if there is one; none if people disagree about it."""
    if len({candidate.label for candidate in same}) > 1:
        left_out += [LeftOut(candidate.case_id, MIXED_LABELS) for candidate in same]
        return []
    first, *others = sorted(same, key=lambda one: (not one.picture.is_control, one.recorded_at, one.case_id))
    left_out += [LeftOut(candidate.case_id, REPEATED, f"case {first.case_id} has it") for candidate in others]
    return [first]


def choose_base(images: Sequence[LabeledImage], cases: Counter[Split], share: float) -> list[LabeledImage]:
    """Choose the base's images so that they are `share` of each split, or all of them if there are fewer.

    A larger choice holds each smaller one. Golden images of a base are never chosen.
    """
    chosen: list[LabeledImage] = []
    for split in (Split.TRAIN, Split.VALIDATION, Split.TEST):
        members = [image for image in images if image.split is split]
        members.sort(key=lambda image: draw_fraction("base", image.require_provenance().sha256))
        chosen += members[: round(share / (1 - share) * cases[split])]
    return chosen
