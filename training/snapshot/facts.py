"""Read what a snapshot has to know of each case, once for all snapshots: its label and its picture's fingerprint.

Facts are kept by case and labels: as long as nobody labels a case again, neither it nor its image is read again. What
could not be read is not kept, and is read again the next time.
"""

import hashlib
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from pipeline.decoding.decode import decode
from pipeline.errors import DECODING_ERRORS, ImageMissing, ImageTooLarge
from pipeline.verdict import RgbImage
from pipeline.wire.labels import LabelCase
from training.common.ahead import map_ahead
from training.common.journal import Journal, build_key
from training.common.progress import Progress
from training.dataset import broken, duplicates, frame
from training.dataset.faults import find_misplacement
from training.dataset.labeled_image import LabeledImage, Provenance
from training.dataset.left_out import REPAIRED, LeftOut
from training.labeling.bucket import LabelingBucket, Unreadable
from training.labeling.cases import AdjudicatedCase, CaseIndex, read_case
from training.labeling.download import MISSING, UNREADABLE
from training.labeling.labeled_case import build_labeled_image

OTHER_SIZE, BROKEN_LABEL = "image_of_another_size", "label_unreadable"
ANNOTATORS = "annotators"
THREADS = 8
"""cases that are read at once; each holds the pixels of one image"""


class CaseFacts(BaseModel):
    """The image that a case gives, or the reason why it gives none; `mirrored` is the mirror image's perceptual hash.

    The image has a provenance, with no group yet, and no split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    case_id: str
    image: LabeledImage | None = None
    mirrored: str = ""
    reason: str = ""
    detail: str = ""


def build_fact_key(index: CaseIndex, case_id: str) -> str:
    """Build the key of a case's facts; it changes with each label."""
    return build_key(case_id, *sorted(index.labels.get(case_id, [])))


def read_facts(bucket: LabelingBucket, index: CaseIndex, journal: Journal) -> Iterator[LeftOut]:
    """Read the cases whose facts the journal lacks and add them; yield what could not be read.

    Raises: AccessDenied, StoreUnavailable.
    """
    new = [
        (case_id, key) for case_id, key in index.cases.items() if journal.get(build_fact_key(index, case_id)) is None
    ]
    progress = Progress("reading new cases", len(new))

    def read(item: tuple[str, str]) -> CaseFacts | LeftOut:
        found = read_case(bucket, index, *item)
        if isinstance(found, Unreadable):
            return LeftOut(found.key, UNREADABLE, found.detail)
        return _examine_case(bucket, found)

    for done, facts in enumerate(map_ahead(read, new, threads=THREADS), start=1):
        if isinstance(facts, LeftOut):
            yield facts
        else:
            journal.put(build_fact_key(index, facts.case_id), facts.model_dump_json(exclude_none=True))
        progress.show(done)


def _examine_case(bucket: LabelingBucket, found: AdjudicatedCase) -> CaseFacts | LeftOut:
    case, adjudication = found.case, found.adjudication
    if found.unreadable:
        return LeftOut(case.case_id, BROKEN_LABEL, f"{found.unreadable[0].key}: {found.unreadable[0].detail}")
    if adjudication.verdict is None:
        return CaseFacts(case_id=case.case_id, reason=f"case_{adjudication.state}")
    if case.verdict_event.image.repaired:
        return CaseFacts(case_id=case.case_id, reason=REPAIRED)
    try:
        data = bucket.read_image(case.image.object_key)
    except (ImageMissing, ImageTooLarge) as error:
        return LeftOut(case.case_id, MISSING, error.detail)
    try:
        image = decode(data, max_pixels=broken.MAX_PIXELS)
    except DECODING_ERRORS as error:
        return LeftOut(case.case_id, error.code, error.detail)
    return _describe_image(found, data, image)


def _describe_image(found: AdjudicatedCase, data: bytes, image: RgbImage) -> CaseFacts:
    case, adjudication = found.case, found.adjudication
    if image.size_px != (case.image.width_px, case.image.height_px):
        size = f"{image.size_px[0]} x {image.size_px[1]} px, in the case {case.image.width_px} x {case.image.height_px}"
        return CaseFacts(case_id=case.case_id, reason=OTHER_SIZE, detail=size)
    faults = [fault for box in adjudication.boxes or () if (fault := find_misplacement(box, image.size_px))]
    if faults:
        return CaseFacts(case_id=case.case_id, reason=faults[0])
    fingerprint = duplicates.compute_fingerprint(frame.apply_codec_chain(image.pixels))
    provenance = _describe_file(case, data, fingerprint.upright)
    labeled = build_labeled_image(case, adjudication, frame.locate_frame(provenance.sha256))
    labeled = labeled.model_copy(update={"provenance": provenance})
    return CaseFacts(case_id=case.case_id, image=labeled, mirrored=fingerprint.mirrored)


def _describe_file(case: LabelCase, data: bytes, perceptual_hash: str) -> Provenance:
    """Describe the PNG of the bucket, which is taken as it is: the upright pixels that were judged and labeled."""
    return Provenance(
        sha256=hashlib.sha256(data).hexdigest(),
        width_px=case.image.width_px,
        height_px=case.image.height_px,
        annotated_by=ANNOTATORS,
        source_file=case.image.object_key,
        source_sha256=case.image.sha256,
        source_format=case.verdict_event.image.format,
        source_width_px=case.image.width_px,
        source_height_px=case.image.height_px,
        source_bytes=case.verdict_event.image.bytes,
        perceptual_hash=perceptual_hash,
    )
