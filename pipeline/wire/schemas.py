"""`python -m pipeline.wire.schemas [DIRECTORY]` writes the JSON Schemas of our messages from their models.

The schemas of events that we read let optional fields be absent; the schemas of what we write require every field.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from pipeline.wire.event_shapes import ImageEventMessage
from pipeline.wire.labels import LabelCase, LabelEvent
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.reviews import DeletionEvent, ReviewEvent

DIRECTORY = Path("docs/schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MODELS: dict[str, tuple[type[BaseModel], Literal["validation", "serialization"]]] = {
    "image-event.json": (ImageEventMessage, "validation"),
    "verdict-event.json": (VerdictEvent, "serialization"),
    "label-case.json": (LabelCase, "serialization"),
    "label-event.json": (LabelEvent, "serialization"),
    "review-event.json": (ReviewEvent, "validation"),
    "deletion-event.json": (DeletionEvent, "validation"),
}


def build_schemas() -> dict[str, str]:
    """Return the text of each schema file by the file's name."""
    return {name: _render_schema(model, mode) for name, (model, mode) in _MODELS.items()}


def _render_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> str:
    schema = {"$schema": DIALECT, **model.model_json_schema(mode=mode)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in build_schemas().items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY)
