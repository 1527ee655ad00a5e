"""Download of the agreed cases of a labeling bucket: a manifest with its images, one case at a time."""

from pathlib import Path

from pipeline.errors import BadSettings, ImageMissing, ImageTooLarge
from training.common.progress import Progress
from training.common.whole_file import write_whole
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage
from training.dataset.left_out import LeftOut, write_left_out
from training.labeling.bucket import LabelingBucket, Unreadable
from training.labeling.cases import AdjudicatedCase, index_cases, read_cases
from training.labeling.labeled_case import build_labeled_image

UNREADABLE, MISSING, DELETED = "case_unreadable", "image_missing", "image_deleted"


def download_cases(bucket: LabelingBucket, directory: Path) -> Path:
    """Download the agreed cases into a directory that training reads as a set; keep images that are there already.

    Cases that cannot be used are written beside it with their reasons: `case_pending`, `case_disputed`, `case_unsure`
    for the state of their labels.

    Raises: BadSettings for a bucket without cases, StoreDenied, AccessDenied, StoreUnavailable,
        ImageMissing (no such bucket).
    """
    entries: list[LabeledImage] = []
    left_out: list[LeftOut] = []
    directory.mkdir(parents=True, exist_ok=True)
    index = index_cases(bucket)
    if not index.cases:
        raise BadSettings(f"no cases in s3://{bucket.name}/cases/; name the labeling bucket alone: s3://bucket")
    deleted = bucket.list_tombstones()
    progress = Progress("fetching cases", len(index.cases))
    for done, found in enumerate(read_cases(bucket, index), start=1):
        result = _download_case(bucket, found, deleted, directory)
        if isinstance(result, LeftOut):
            left_out.append(result)
        else:
            entries.append(result)
        progress.show(done)
    manifest.write_manifest(directory, entries)
    write_left_out(directory, left_out)
    return directory


def _download_case(
    bucket: LabelingBucket, found: AdjudicatedCase | Unreadable, deleted: frozenset[str], directory: Path
) -> LabeledImage | LeftOut:
    if isinstance(found, Unreadable):
        return LeftOut(found.key, UNREADABLE, found.detail)
    case, adjudication = found.case, found.adjudication
    if case.image.sha256 in deleted:
        return LeftOut(case.case_id, DELETED)
    if adjudication.verdict is None:
        return LeftOut(case.case_id, f"case_{adjudication.state}")
    file = f"{case.case_id}.png"
    if Path(file).name != file:
        return LeftOut(case.case_id, UNREADABLE, "case_id is no name for a file")
    try:
        _download_image(bucket, case.image.object_key, directory / file)
    except (ImageMissing, ImageTooLarge) as error:
        return LeftOut(case.case_id, MISSING, error.detail)
    return build_labeled_image(case, adjudication, file)


def _download_image(bucket: LabelingBucket, key: str, path: Path) -> None:
    if not path.is_file():
        with write_whole(path) as unfinished:
            unfinished.write_bytes(bucket.read_image(key))
