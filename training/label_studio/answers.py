"""The fields that we read of Label Studio's answers; everything else in them is ignored."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue

Text = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")]
"""text that any user may have set to something else; that is none of ours, and must not hide what stands beside it"""


class Answered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Project(Answered):
    id: int
    title: str
    label_config: Text


class ProjectPage(Answered):
    results: list[Project]
    next: str | None = None


class Storage(Answered):
    bucket: str | None = None
    prefix: str | None = None


class StoredTaskData(Answered):
    """The data that we sent; a task that somebody else made may lack it."""

    case_id: Text = ""
    image: Text = ""


class StoredTask(Answered):
    """A task without its annotations; `overlap` is the number of annotators that it is for."""

    id: int
    data: StoredTaskData = StoredTaskData()
    overlap: int = 1
    total_annotations: int = 0
    cancelled_annotations: int = 0


class StoredAnnotation(Answered):
    """What one annotator submitted; `updated_by` is who changed it last. The server takes anything as a result."""

    id: int
    result: list[JsonValue] = []
    completed_by: int | None = None
    updated_by: int | None = None
    was_cancelled: bool = False
    lead_time: float | None = None
    updated_at: datetime

    @property
    def author(self) -> int | None:
        return self.updated_by or self.completed_by


class AnnotatedTask(StoredTask):
    annotations: list[StoredAnnotation] = []
    updated_at: datetime


class StoredTaskPage(Answered):
    tasks: list[StoredTask]


class AnnotatedTaskPage(Answered):
    tasks: list[AnnotatedTask]


class AccessToken(Answered):
    access: str


class RefusedCall(Answered):
    """The body of a refusal."""

    detail: str = ""
    validation_errors: JsonValue = None
