"""The mark of the pulls in the bucket: how far they came, and what they refused and was not corrected since."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from training.label_studio.annotations import RefusalReason
from training.labeling.bucket import LabelingBucket

MARK = "pull"
MOST_REFUSED = 1000


class Refusal(BaseModel):
    """An annotation that is no label, and the page of its task, where it can be corrected."""

    model_config = ConfigDict(frozen=True)
    reason: RefusalReason
    case_id: str
    annotation: int
    url: str
    detail: str


class PullMark(BaseModel):
    """The mark of one project; `since` is the time of the latest change that was pulled."""

    model_config = ConfigDict(frozen=True)
    since: datetime | None = None
    refused: list[Refusal] = []


class PullMarks(BaseModel):
    """The object: a mark for each project, by its page."""

    model_config = ConfigDict(frozen=True)
    projects: dict[str, PullMark] = {}


def read_marks(bucket: LabelingBucket) -> PullMarks:
    """Read the marks; none if no pull ended yet, or if the object is broken."""
    try:
        return PullMarks.model_validate(bucket.read_mark(MARK))
    except ValidationError:
        return PullMarks()


def write_mark(bucket: LabelingBucket, project: str, mark: PullMark) -> None:
    """Write the mark of one project and keep those of others. It may be an older one's: the next pull reads more."""
    marks = PullMarks(projects=read_marks(bucket).projects | {project: mark})
    bucket.write_mark(MARK, marks.model_dump(mode="json"))


def merge_refused(before: Iterable[Refusal], seen: frozenset[int], now: Iterable[Refusal]) -> list[Refusal]:
    """Return the refusals that hold now: those before of annotations that were not seen again, and the new ones."""
    return [*(refusal for refusal in before if refusal.annotation not in seen), *now][-MOST_REFUSED:]
