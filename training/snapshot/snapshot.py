"""Make a snapshot: agreed labels so far without deleted images, mixed with a base, in splits that never change.

What was read is kept in a file of the cache until the snapshot is complete, so a killed run goes on where it was.
"""

import fcntl
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.common.journal import Journal
from training.dataset import faults, manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import LeftOut, count_reasons
from training.errors import LeaseHeld
from training.labeling.bucket import LabelingBucket
from training.labeling.cases import CaseIndex, index_cases
from training.runs.publishing import digest_entries
from training.snapshot import files
from training.snapshot.assignment import SplitAssigner
from training.snapshot.base import Base, read_base
from training.snapshot.facts import CaseFacts, build_fact_key, read_facts
from training.snapshot.images import build_reader, copy_images
from training.snapshot.parent import Parent, find_parent
from training.snapshot.place import SUMMARY, SnapshotPlace
from training.snapshot.selection import (
    DISPLACED,
    Candidate,
    SelectedCase,
    build_candidate,
    choose_base,
    select_cases,
)
from training.snapshot.summary import FILES, SnapshotSummary, name_snapshot

UNFINISHED = "snapshots"
"""folder of the cache for what unfinished runs have read"""
JOURNAL = "facts.jsonl"
GOLDEN_FRACTION = 0.2


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """The options of a snapshot. Without `golden_fraction` it is that of the predecessor, or the default.

    `predecessor` is a digest, `none`, or by default the newest snapshot of the place.
    """

    base: Path
    base_share: float
    golden_fraction: float | None
    predecessor: str | None
    least_per_class: int


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """A snapshot with what was left out of it; `cases_read` and `images_stored` are new since its predecessor."""

    summary: SnapshotSummary
    cases_read: int
    images_stored: int
    was_there: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that decides about a snapshot, besides the facts of its cases; `newest` is the place's one before."""

    newest: str | None
    base: Base
    index: CaseIndex
    deleted: frozenset[str]
    parent: Parent | None
    golden_fraction: float


def make_snapshot(bucket: LabelingBucket, place: SnapshotPlace, plan: SnapshotPlan, cache: Path) -> SnapshotResult:
    """Make a snapshot of the bucket in its place; the same inputs again change nothing.

    Raises: BadSettings for options or labels that give no set to train on; AccessDenied, StoreUnavailable, StoreDenied,
        ImageMissing (no such bucket); LeaseHeld if another process made one of the place meanwhile.
    """
    work = locate_work(cache, bucket, place)
    work.mkdir(parents=True, exist_ok=True)
    with hold_alone(work):
        result = _make_snapshot(bucket, place, plan, work)
        shutil.rmtree(work)
    return result


@contextmanager
def hold_alone(work: Path) -> Iterator[None]:
    """Let no other process of this machine work in the folder. Raises: BadSettings if one does."""
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadSettings("another process makes a snapshot of this bucket in this place; wait for it") from error
        yield


def _make_snapshot(bucket: LabelingBucket, place: SnapshotPlace, plan: SnapshotPlan, work: Path) -> SnapshotResult:
    inputs = _read_inputs(bucket, place, plan, work)
    with Journal(work / JOURNAL) as journal:
        known = len(journal)
        left_out = list(read_facts(bucket, inputs.index, journal))
        cases_read = len(journal) - known
        digests = _write_files(work, inputs, plan, journal, left_out)
    summary = _summarize(work, digests, plan, inputs, left_out)
    is_new = not place.is_complete(summary.digest)
    stored = _store(bucket, place, work, summary, inputs.base) if is_new else 0
    if not place.write_newest(summary.digest, after=inputs.newest):
        raise LeaseHeld(
            f"another snapshot was made meanwhile, and {place.locate(summary.digest)} does not go on from it; run the "
            "same command again"
        )
    return SnapshotResult(summary, cases_read, stored, was_there=not is_new)


def locate_work(cache: Path, bucket: LabelingBucket, place: SnapshotPlace) -> Path:
    """Return the folder of what an unfinished run has read; it is the same when the run is repeated."""
    name = f"{bucket.name}\n{place.locate('')}".encode()
    return cache / UNFINISHED / hashlib.sha256(name).hexdigest()[:16]


def _read_inputs(bucket: LabelingBucket, place: SnapshotPlace, plan: SnapshotPlan, work: Path) -> Inputs:
    base, newest = read_base(plan.base), place.read_newest()
    parent = find_parent(place, plan.predecessor or newest, work, work / JOURNAL)
    golden_fraction = choose_golden_fraction(plan, parent)
    index = index_cases(bucket)
    if not index.cases:
        raise BadSettings(f"no cases in s3://{bucket.name}/cases/; name the labeling bucket alone: s3://bucket")
    return Inputs(newest, base, index, bucket.list_tombstones(), parent, golden_fraction)


def _write_files(
    work: Path, inputs: Inputs, plan: SnapshotPlan, journal: Journal, left_out: list[LeftOut]
) -> dict[str, str]:
    """Select cases and base images and write the files; what is left out is added to the list."""
    earlier = inputs.parent.assignments if inputs.parent else []
    assigner = SplitAssigner(
        (assignment for assignment in earlier if assignment.source_sha256 not in inputs.deleted),
        golden_fraction=inputs.golden_fraction,
    )
    candidates = _list_candidates(inputs.index, journal, left_out)
    selected = select_cases(candidates, deleted=inputs.deleted, base=inputs.base.pictures, assigner=assigner)
    left_out += selected.left_out
    counts = Counter(case.assignment.split for case in selected.cases)
    displaced = [inputs.base.images[number] for number in sorted(selected.displaced)]
    left_out += (LeftOut(image.file, DISPLACED) for image in displaced)
    offered = [image for number, image in enumerate(inputs.base.images) if number not in selected.displaced]
    base = choose_base(offered, counts, plan.base_share)
    refuse_unfit(selected.cases, base, plan.least_per_class, left_out)
    keys = (build_fact_key(inputs.index, case_id) for case_id in inputs.index.cases)
    return files.write_files(
        work,
        files.build_rows(selected.cases, base, journal, inputs.golden_fraction),
        assignments=assigner.assignments,
        left_out=left_out,
        facts=files.list_facts(journal, keys, inputs.deleted),
    )


def choose_golden_fraction(plan: SnapshotPlan, parent: Parent | None) -> float:
    """Return the share of the control sample that is golden. Raises: BadSettings if the predecessor has another."""
    if parent is None:
        return GOLDEN_FRACTION if plan.golden_fraction is None else plan.golden_fraction
    if plan.golden_fraction not in (None, parent.summary.golden_fraction):
        raise BadSettings(
            f"--golden-fraction is drawn once for all: the predecessor has {parent.summary.golden_fraction:g}; leave "
            "the option out, or begin anew in another --out"
        )
    return parent.summary.golden_fraction


def refuse_unfit(selected: list[SelectedCase], base: list[LabeledImage], least: int, left_out: list[LeftOut]) -> None:
    """Refuse a snapshot without cases, or whose split `train` is too small or one-sided. Raises: BadSettings."""
    if not selected:
        reasons = "; ".join(f"{n} {reason}" for reason, n in count_reasons(left_out).items())
        raise BadSettings(f"no agreed case can be used (left out: {reasons}); label more, then run `labels pull`")
    train = Counter(case.label for case in selected if case.assignment.split is Split.TRAIN)
    train.update(image.label for image in base if image.split is Split.TRAIN)
    faults.refuse_few(train, least, left_out)


def _list_candidates(index: CaseIndex, journal: Journal, left_out: list[LeftOut]) -> list[Candidate]:
    """List the cases that give an image; the reasons of the others are added to `left_out`."""
    candidates: list[Candidate] = []
    for case_id in index.cases:
        key = build_fact_key(index, case_id)
        text = journal.get(key)
        if text is not None:
            facts = CaseFacts.model_validate_json(text)
            if facts.image is None:
                left_out.append(LeftOut(case_id, facts.reason, facts.detail))
            else:
                candidates.append(build_candidate(key, facts.image, facts.mirrored))
    return candidates


def _summarize(
    work: Path,
    digests: dict[str, str],
    plan: SnapshotPlan,
    inputs: Inputs,
    left_out: list[LeftOut],
) -> SnapshotSummary:
    counts = Counter((row.split, row.label) for row in manifest.read_manifest(work))
    trained = (row for row in manifest.read_manifest(work) if row.split is Split.TRAIN)
    summary = SnapshotSummary(
        digest=name_snapshot(digests),
        parent=inputs.parent.summary.digest if inputs.parent else None,
        files=digests,
        trained_on=digest_entries(trained),
        base_digest=inputs.base.digest,
        base_share=plan.base_share,
        golden_fraction=inputs.golden_fraction,
        images=counts.total(),
        cases=sum(row.case is not None for row in manifest.read_manifest(work)),
        by_split={split: {label: counts[split, label] for label in Verdict} for split in Split},
        left_out=dict(sorted(count_reasons(left_out).items())),
    )
    (work / SUMMARY).write_text(summary.model_dump_json(indent=2) + "\n")
    return summary


def _store(bucket: LabelingBucket, place: SnapshotPlace, work: Path, summary: SnapshotSummary, base: Base) -> int:
    """Store images and files, the summary last, and return the number of new images."""
    base_files = {image.require_provenance().sha256: base.directory / image.file for image in base.images}
    stored = copy_images(place, work, build_reader(bucket, base_files), "storing new images")
    for name in (*FILES, SUMMARY):
        place.put_file(summary.digest, name, work / name)
    return stored
