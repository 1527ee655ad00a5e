"""`python -m pipeline.wire.schemas [DIRECTORY]`: the JSON Schemas of our messages, made from their models.

What we read is described as it may be written, what we write as it is: every field present.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from pipeline.wire.event_shapes import ImageEventMessage
from pipeline.wire.messages import LabelCase, VerdictEvent

DIRECTORY = Path("docs/schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MODELS: dict[str, tuple[type[BaseModel], Literal["validation", "serialization"]]] = {
    "image-event.json": (ImageEventMessage, "validation"),
    "verdict-event.json": (VerdictEvent, "serialization"),
    "label-case.json": (LabelCase, "serialization"),
}


def schemas() -> dict[str, str]:
    """The text of each file by its name."""
    return {name: _text(model, mode) for name, (model, mode) in _MODELS.items()}


def _text(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> str:
    schema = {"$schema": DIALECT, **model.model_json_schema(mode=mode)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    main()
