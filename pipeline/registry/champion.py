"""The champion pointer of a model: the revision that serves, by whom and why, and the one that served before."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.registry.manifest import Revision
from pipeline.wire.messages import Message, Moment


class Champion(Message):
    """The content of `champion.json`, and of each entry in `history/`."""

    schema_version: Literal[1] = 1
    revision: Revision
    promoted_at: Moment
    by: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Annotated[str, Field(max_length=2000)]
    previous: Revision | None
