"""Addresses of models in a bucket: `s3://bucket/models/NAME` is the champion, `.../revisions/sha256-...` is pinned."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings

SCHEME = "s3://"
_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
_REVISION = r"sha256-[0-9a-f]{64}"
_ADDRESS = re.compile(rf"s3://(?P<bucket>[^/]+)/models/(?P<name>{_NAME})(?:/revisions/(?P<revision>{_REVISION}))?/?")


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """A model of a registry; `revision` (`sha256:...`) is None where the champion is meant."""

    bucket: str
    name: str
    revision: str | None = None

    def __str__(self) -> str:
        pinned = f"/revisions/{format_folder(self.revision)}" if self.revision else ""
        return f"{SCHEME}{self.bucket}/models/{self.name}{pinned}"


def parse_model_source(text: str) -> Path | ModelAddress:
    """Parse the name of a model: an address in a registry, or else a directory. Raises: BadSettings."""
    return parse_address(text) if text.startswith(SCHEME) else Path(text)


def parse_address(text: str) -> ModelAddress:
    """Parse the address of a model. Raises: BadSettings, which shows how one is written."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise BadSettings(
            f"{text!r} is no model of a registry: s3://bucket/models/NAME is the champion, "
            "s3://bucket/models/NAME/revisions/sha256-... one revision; a NAME has small letters, digits and ._- alone"
        )
    folder = match["revision"]
    return ModelAddress(match["bucket"], match["name"], folder and folder.replace("-", ":", 1))


def format_folder(revision: str) -> str:
    """Return the folder of a revision: `sha256-...` for `sha256:...`, because a colon is awkward in keys and paths."""
    return revision.replace(":", "-", 1)
