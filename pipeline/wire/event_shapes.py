"""What senders of image events write, as models: our own shape whole, of foreign ones the fields that concern us."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

MAX_ID_LENGTH = 256

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
# What becomes a request header or a query field of ours is visible ASCII.
Etag = Annotated[str, Field(max_length=256, pattern=r"^[!-~]*$")]
VersionId = Annotated[str, Field(max_length=1024, pattern=r"^[!-~]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
AttributeName = Annotated[str, Field(min_length=1, max_length=64)]
ShortText = Annotated[str, Field(max_length=256)]


class ImageEventMessage(BaseModel):
    """Our own event. Only `url` is required; `source` and `attributes` come back on the verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="ImageEvent")
    schema_version: Annotated[StrictInt, Field(ge=1, le=1)] = 1  # Literal[1] would take true for it
    url: Annotated[str, Field(min_length=1, max_length=8192, description="s3://bucket/key, or https of the endpoint")]
    id: Id | None = Field(default=None, description="what readers of verdicts deduplicate on")
    etag: Etag | None = None
    version_id: VersionId | None = None
    sha256: Sha256 | None = Field(default=None, description="of the object's bytes")
    source: ShortText | None = None
    time: datetime | None = Field(default=None, description="the sender's own; not used")
    attributes: dict[AttributeName, ShortText] = Field(default_factory=dict, max_length=16)


class Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class NamedBucket(Foreign):
    name: str


class StoredObject(Foreign):
    key: str
    etag: Etag | None = None
    version_id: VersionId | None = None
    sequencer: ShortText | None = None


class NotifiedObject(StoredObject):
    etag: Etag | None = Field(default=None, alias="eTag")
    version_id: VersionId | None = Field(default=None, alias="versionId")


class Notified(Foreign):
    bucket: NamedBucket
    object: NotifiedObject


class S3Record(Foreign):
    s3: Notified


class BridgeObject(StoredObject):
    version_id: VersionId | None = Field(default=None, alias="version-id")


class BridgeDetail(Foreign):
    bucket: NamedBucket
    object: BridgeObject


class BridgeEvent(Foreign):
    id: Id | None = None
    detail: BridgeDetail


class CloudEvent(Foreign):
    """Attributes every CloudEvent has; the others do not concern us."""

    specversion: Literal["1.0"]
    id: Id
    source: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(min_length=1)]
