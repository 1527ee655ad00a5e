"""Models the events that senders write: our own shape in full, and of foreign shapes the fields that we read."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from pipeline.errors import MalformedEvent
from pipeline.wire.urls import redact_text

MAX_ID_LENGTH = 256

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
# These become a header or a query field of our S3 requests: only visible ASCII is allowed.
Etag = Annotated[str, Field(max_length=256, pattern=r"^[!-~]*$")]
VersionId = Annotated[str, Field(max_length=1024, pattern=r"^[!-~]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
AttributeName = Annotated[str, Field(min_length=1, max_length=64)]
ShortText = Annotated[str, Field(max_length=256)]
Model = TypeVar("Model", bound=BaseModel)


class ImageEventMessage(BaseModel):
    """Our own event. Only `url` is required; `source` and `attributes` are copied to the verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="ImageEvent")
    schema_version: Annotated[StrictInt, Field(ge=1, le=1)] = 1  # Literal[1] would accept true
    url: Annotated[str, Field(min_length=1, max_length=8192, description="s3://bucket/key, or https of the endpoint")]
    id: Id | None = Field(default=None, description="the id on which readers of verdicts deduplicate")
    etag: Etag | None = None
    version_id: VersionId | None = None
    sha256: Sha256 | None = Field(default=None, description="of the object's bytes")
    source: ShortText | None = None
    time: datetime | None = Field(default=None, description="the sender's time; not used")
    attributes: dict[AttributeName, ShortText] = Field(default_factory=dict, max_length=16)


class ForeignModel(BaseModel):
    """A part of an event that others define; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class NamedBucket(ForeignModel):
    name: str


class StoredObject(ForeignModel):
    key: str
    etag: Etag | None = None
    version_id: VersionId | None = None
    sequencer: ShortText | None = None
    size: object = None  # only compared with 0: senders leave it out, or write null


class S3Object(StoredObject):
    etag: Etag | None = Field(default=None, alias="eTag")
    version_id: VersionId | None = Field(default=None, alias="versionId")


class S3Entity(ForeignModel):
    bucket: NamedBucket
    object: S3Object


class S3Record(ForeignModel):
    s3: S3Entity


class BridgeObject(StoredObject):
    version_id: VersionId | None = Field(default=None, alias="version-id")


class BridgeDetail(ForeignModel):
    bucket: NamedBucket
    object: BridgeObject


class BridgeEvent(ForeignModel):
    id: Id | None = None
    detail: BridgeDetail


class CloudEvent(ForeignModel):
    """The attributes that every CloudEvent has; others are ignored."""

    specversion: Literal["1.0"]
    id: Id
    source: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(min_length=1)]


class SnsMessage(ForeignModel):
    type: Literal["Notification"] = Field(alias="Type")
    id: Id = Field(alias="MessageId")
    message: str = Field(alias="Message")


class SqsMessage(ForeignModel):
    """A message of a queue: in lower case as Lambda and Pipes send it, in upper case as the queue's own API does."""

    id: Id = Field(validation_alias=AliasChoices("messageId", "MessageId"))
    body: str = Field(validation_alias=AliasChoices("body", "Body"))


def validate(model: type[Model], body: object) -> Model:
    """Read `body` as `model`. Raises: MalformedEvent that names up to four wrong fields."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = [
            f"{redact_text('.'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors(include_input=False)
        ]
    raise MalformedEvent("; ".join(problems[:4]))


def strip_quotes(etag: str | None) -> str | None:
    return etag.strip('"') or None if etag else None
