"""Cases of the labeling bucket with the adjudication of their labels, one at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.wire.labels import LABELS, LabelCase, LabelEvent, LabelOrigin, LabelVerdict
from training.common.ahead import map_ahead
from training.common.s3 import CONNECTIONS
from training.labeling.adjudication import Adjudication, LabelState, adjudicate
from training.labeling.bucket import LabelingBucket, Unreadable

OLD_ANNOTATOR = "unknown"


@dataclass(frozen=True, slots=True)
class AdjudicatedCase:
    """`unreadable` holds the labels of the case that could not be read."""

    case: LabelCase
    adjudication: Adjudication
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def of_annotators(self) -> Adjudication:
        """The adjudication without reviews.

        Appeals pick the wrong verdicts: a case that chance drew would be decided the sooner the wronger it is.
        """
        return adjudicate(label for label in self.adjudication.labels if label.origin is not LabelOrigin.REVIEW)

    @property
    def needs_annotator(self) -> bool:
        """True if the case is undecided, or drawn by chance and decided by reviews alone."""
        is_unseen = self.case.inclusion_probability > 0 and self.of_annotators.state is LabelState.PENDING
        return is_unseen or self.adjudication.state in (LabelState.PENDING, LabelState.DISPUTED)


@dataclass(frozen=True, slots=True)
class CaseIndex:
    """The keys of cases and labels by case id; labels without a case are in `orphans`.

    An event that comes again on another day has the same case id there: the first key stands for both.
    """

    cases: dict[str, str]
    labels: dict[str, list[str]]

    @property
    def orphans(self) -> list[str]:
        return [key for case_id, keys in self.labels.items() if case_id not in self.cases for key in keys]


def index_cases(bucket: LabelingBucket) -> CaseIndex:
    """List the keys of the bucket: about 300 bytes of memory a case and 400 a label, a request for 1,000 keys each."""
    cases: dict[str, str] = {}
    for key in bucket.list_case_keys():
        cases.setdefault(PurePosixPath(key).stem, key)
    labels: dict[str, list[str]] = {}
    for key in bucket.list_label_keys():
        labels.setdefault(key.removeprefix(LABELS).partition("/")[0], []).append(key)
    return CaseIndex(cases, labels)


def read_cases(
    bucket: LabelingBucket, index: CaseIndex, *, labeled_only: bool = False
) -> Iterator[AdjudicatedCase | Unreadable]:
    """Yield the cases in the order of their days, several requests at a time and a bounded number in memory.

    `labeled_only` leaves out cases without a label object, and with them the labels inside the cases of old buckets.
    """
    keys = ((case_id, key) for case_id, key in index.cases.items() if not labeled_only or case_id in index.labels)
    yield from map_ahead(lambda item: read_case(bucket, index, *item), keys, threads=CONNECTIONS)


def read_case(bucket: LabelingBucket, index: CaseIndex, case_id: str, key: str) -> AdjudicatedCase | Unreadable:
    """Read one case with its labels; one that is none of its key's is unreadable, and so is a label of another case."""
    case = bucket.read_case(key)
    if isinstance(case, Unreadable):
        return case
    if case.case_id != case_id:
        return Unreadable(key, f"case_id: it is {case.case_id}, and its key names another")
    read = [_read_label(bucket, label_key, case) for label_key in index.labels.get(case_id, [])]
    labels = [label for label in read if isinstance(label, LabelEvent)]
    unreadable = tuple(label for label in read if isinstance(label, Unreadable))
    return AdjudicatedCase(case, adjudicate([*_read_old_label(case), *labels]), unreadable)


def _read_label(bucket: LabelingBucket, key: str, case: LabelCase) -> LabelEvent | Unreadable:
    label = bucket.read_label(key)
    if isinstance(label, Unreadable):
        return label
    if label.case_id != case.case_id:
        return Unreadable(key, f"case_id: it is {label.case_id}, and its key names {case.case_id}")
    if label.image_sha256 != case.image.sha256:
        return Unreadable(key, f"image_sha256: the image of the case has another, {case.image.sha256}")
    return label


def _read_old_label(case: LabelCase) -> list[LabelEvent]:
    """Return the label inside a case of an old bucket; every other label is newer."""
    if case.state != "labeled" or case.label is None:
        return []
    return [
        LabelEvent(
            label_id=case.case_id,
            case_id=case.case_id,
            event_id=case.event_id,
            image_sha256=case.image.sha256,
            verdict=LabelVerdict(case.label.verdict),
            boxes=case.label.boxes,
            explanation=case.label.explanation,
            annotator=OLD_ANNOTATOR,
            origin=LabelOrigin.IMPORT,
            blind=case.blind,
            guideline_version="",
            seconds_spent=None,
            created_at=case.created_at,
            supersedes=None,
        )
    ]
