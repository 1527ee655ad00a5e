"""Reads what the platform sends about images that were judged: reviews of people, and requests to forget an image."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, field_validator, model_validator

from pipeline.wire.event_shapes import Id, Sha256, validate
from pipeline.wire.labels import LabelVerdict
from pipeline.wire.messages import Box
from pipeline.wire.strict_json import read_object

MAX_BOXES = 100
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class ReviewReason(StrEnum):
    """`appeal`: the uploader objected; `moderator`: seen in moderation; `audit`: drawn by the platform's own audit."""

    APPEAL = "appeal"
    MODERATOR = "moderator"
    AUDIT = "audit"


class PlatformEvent(BaseModel):
    """An event of the platform; fields that we do not know are refused with their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: Annotated[StrictInt, Field(ge=1, le=1)] = 1
    time: Annotated[AwareDatetime, Field(description="with its time zone")]

    @field_validator("time")
    @classmethod
    def _check_time(cls, value: datetime) -> datetime:
        if not EARLIEST <= value < LATEST:
            raise ValueError("must lie between the years 2000 and 2200")
        return value.astimezone(UTC)


class ReviewEvent(PlatformEvent):
    """The decision of a reviewer on the platform about an event that has a verdict."""

    event_id: Annotated[Id, Field(description="of the verdict that was reviewed")]
    verdict: LabelVerdict
    reviewer: Annotated[str, Field(min_length=1, max_length=256, description="an opaque id, no name")]
    reason: ReviewReason
    boxes: Annotated[list[Box], Field(max_length=MAX_BOXES)] | None = Field(
        default=None, description="null: nobody was asked to draw; empty: the reviewer looked, and there is none"
    )
    explanation: Annotated[str, Field(max_length=4096)] | None = None

    @field_validator("boxes")
    @classmethod
    def _check_boxes(cls, value: list[Box] | None) -> list[Box] | None:
        for x1, y1, x2, y2 in value or ():
            if not (0 <= x1 < x2 and 0 <= y1 < y2):
                raise ValueError("each is x1, y1, x2, y2 in pixels, with x1 < x2 and y1 < y2")
        return value


class DeletionEvent(PlatformEvent):
    """A request to forget an image: by its event, its object's URL, or the digest of its file."""

    event_id: Id | None = Field(default=None, description="of the event that brought the image")
    url: Annotated[str, Field(min_length=1, max_length=8192, description="s3://bucket/key")] | None = None
    sha256: Sha256 | None = Field(default=None, description="of the object's bytes")

    @field_validator("sha256")
    @classmethod
    def _lower_digits(cls, value: str | None) -> str | None:
        return value.lower() if value else value  # the bucket's keys hold small digits

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.event_id is None and self.url is None and self.sha256 is None:
            raise ValueError("at least one of event_id, url and sha256 is needed")
        return self


def parse_review(value: bytes | None) -> ReviewEvent:
    """Read the value of a record of the reviews topic. Raises: MalformedEvent that names the wrong fields."""
    return validate(ReviewEvent, read_object(value or b""))


def parse_deletion(value: bytes | None) -> DeletionEvent:
    """Read the value of a record of the deletions topic. Raises: MalformedEvent that names the wrong fields."""
    return validate(DeletionEvent, read_object(value or b""))
