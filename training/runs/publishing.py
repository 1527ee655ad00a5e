"""What a run's directory says it is, and how trained weights become the directory that is served."""

import json
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.errors import BadSettings
from training.dataset.manifest import Entry

CONFIGURATION = "configuration.json"
_WEIGHTS_SUFFIXES = (".safetensors", ".safetensors.index.json")


def digest(entries: Sequence[Entry]) -> str:
    """What a checkpoint was trained on."""
    lines = "".join(entry.model_dump_json() + "\n" for entry in entries)
    return f"sha256:{sha256(lines.encode()).hexdigest()}"


def claim(record: Path, said: Mapping[str, object]) -> None:
    """Writes what the run is; a directory of another run is refused.

    Raises: BadSettings.
    """
    path = record / CONFIGURATION
    if path.exists() and json.loads(path.read_text()) != said:
        raise BadSettings(f"{record} holds another run that has not ended; delete it or name another --out")
    path.write_text(json.dumps(said, indent=2) + "\n")


def complete(made: Path, start: Checkpoint, trained_on: str) -> None:
    """The start's own files beside new weights, and a card without what was measured on the old ones."""
    for file in start.path.iterdir():
        if file.is_file() and not (made / file.name).exists() and not file.name.endswith((*_WEIGHTS_SUFFIXES, ".md")):
            shutil.copyfile(file, made / file.name)
    unmeasured = {"metrics": {}, "calibration": None, "uncertain_between": None, "trained_on": trained_on}
    card = start.card.model_copy(update=unmeasured)
    (made / CARD_NAME).write_text(card.model_dump_json(indent=2) + "\n")


def publish(made: Path, out: Path) -> None:
    """config.json comes last: with it the directory is a checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    files = sorted((file for file in made.iterdir() if file.is_file()), key=lambda file: file.name == "config.json")
    for file in files:
        shutil.copyfile(file, out / file.name)
