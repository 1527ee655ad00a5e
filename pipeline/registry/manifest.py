"""The manifest of a revision: its files by digest, where it comes from, and the questions that a worker asks it first.

It is written last: a revision without a manifest was not pushed to its end and does not exist for readers.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipeline.verdict import Verdict
from pipeline.wire.messages import Message, Moment

MANIFEST_NAME = "manifest.json"
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Revision = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


def check_path(path: str) -> str:
    """Return the path of a file below the folder of its revision. Raises: ValueError for one that leaves the folder."""
    is_plain = path.isprintable() and "\\" not in path and str(PurePosixPath(path)) == path
    if not is_plain or path in (".", MANIFEST_NAME) or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} is no path below the folder of a revision")
    return path


RevisionPath = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(check_path)]


class RevisionFile(Message):
    sha256: Digest
    bytes: Annotated[int, Field(ge=0)]


class SmokeQuestion(Message):
    """An image among the revision's files, by its path there, and the verdict that the revision gave when pushed."""

    image: RevisionPath
    verdict: Verdict


class RevisionManifest(Message):
    """A revision of a model. `files` are by their path below the revision's folder, with / between its parts.

    `data_digest` names the labeled set that it was trained on, `gate` is the gate's table as `zoomin-train gate --json`
    prints it. Both are null where nobody said them.
    """

    schema_version: Literal[1] = 1
    name: str
    revision: Revision
    files: dict[RevisionPath, RevisionFile]
    parent: Revision | None
    data_digest: str | None
    gate: dict[str, Any] | None
    smoke: list[SmokeQuestion]
    created_at: Moment
    created_by: str

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())
