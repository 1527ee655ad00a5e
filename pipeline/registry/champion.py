"""The champion pointer of a model: the revision that serves, by whom and why, and where a rollback goes."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.registry.manifest import Revision
from pipeline.wire.messages import Message, Moment


class Champion(Message):
    """The content of `champion.json`, and of each entry in `history/`.

    `number` counts the changes of the pointer, whatever the clocks say. `previous` is where a rollback goes: the
    champion of before, or after a rollback the one before that. `rolled_back` is the revision that a rollback took
    back; it is null for a promotion.
    """

    schema_version: Literal[1] = 1
    number: Annotated[int, Field(ge=1)] = 1
    revision: Revision
    promoted_at: Moment
    by: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Annotated[str, Field(max_length=2000)]
    previous: Revision | None
    rolled_back: Revision | None = None
