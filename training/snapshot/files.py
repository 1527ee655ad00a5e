"""Write the files of a snapshot from what was selected, a row at a time and always the same."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.wire.labels import SampleReason
from training.common.journal import Journal, JournalEntry
from training.dataset import left_out as left_out_file
from training.dataset import manifest
from training.dataset.frame import locate_frame
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import LeftOut
from training.snapshot.assignment import Assignment
from training.snapshot.facts import CaseFacts
from training.snapshot.selection import SelectedCase
from training.snapshot.summary import ASSIGNMENTS, FACTS, NAMING, digest_file


def write_files(
    work: Path,
    rows: Iterable[LabeledImage],
    *,
    assignments: Iterable[Assignment],
    left_out: Iterable[LeftOut],
    facts: Iterable[JournalEntry],
) -> dict[str, str]:
    """Write all files but the summary into `work`, and return the digests of those that name the snapshot."""
    manifest.write_manifest(work, rows)
    ordered = sorted(assignments, key=lambda assignment: assignment.sha256)
    _write_lines(work / ASSIGNMENTS, (assignment.model_dump_json() for assignment in ordered))
    left_out_file.write_left_out(work, sorted(left_out, key=lambda one: (one.name, one.reason)))
    _write_lines(work / FACTS, (entry.model_dump_json() for entry in facts))
    return {name: digest_file(work / name) for name in NAMING}


def build_rows(
    selected: Sequence[SelectedCase], base: Sequence[LabeledImage], journal: Journal, golden_fraction: float
) -> Iterator[LabeledImage]:
    """Yield the images of the manifest in the order of their files; a case's row is read when it is its turn."""
    named: list[tuple[str, SelectedCase | LabeledImage]] = [
        (locate_frame(case.assignment.sha256), case) for case in selected
    ]
    named += [(locate_frame(image.require_provenance().sha256), image) for image in base]
    for file, member in sorted(named, key=lambda item: item[0]):
        if isinstance(member, LabeledImage):
            yield member.model_copy(update={"file": file})
        else:
            text = journal.get(member.key)
            assert text is not None, "selected cases have facts"
            image = CaseFacts.model_validate_json(text).image
            assert image is not None, "selected cases have an image"
            yield _build_row(image, member.assignment, golden_fraction)


def list_facts(journal: Journal, keys: Iterable[str], deleted: Collection[str]) -> Iterator[JournalEntry]:
    """Yield the facts of these keys in their order, without those of deleted images."""
    for key in sorted(keys):
        text = journal.get(key)
        if text is not None:
            image = CaseFacts.model_validate_json(text).image
            if image is None or image.require_provenance().source_sha256 not in deleted:
                yield JournalEntry(key=key, text=text)


def _build_row(image: LabeledImage, assignment: Assignment, golden_fraction: float) -> LabeledImage:
    case, provenance = image.case, image.require_provenance()
    assert case is not None, f"{image.file} comes from no case"
    if assignment.split is not Split.GOLDEN and case.reasons == [SampleReason.CONTROL]:
        # The golden set has taken its share of the control sample: the others stand for its images too.
        probability = case.inclusion_probability * (1 - golden_fraction)
        case = case.model_copy(update={"inclusion_probability": probability})
    placed = provenance.model_copy(update={"group": assignment.group})
    return image.model_copy(update={"split": assignment.split, "provenance": placed, "case": case})


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w") as stream:
        stream.writelines(f"{line}\n" for line in lines)
