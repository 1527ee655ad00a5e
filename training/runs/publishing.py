"""The run config in a run directory, and the way from trained weights to the checkpoint that is served."""

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.errors import BadSettings
from training.common.whole_file import write_whole
from training.dataset.labeled_image import LabeledImage

CONFIGURATION = "configuration.json"
OUTCOME = "outcome.json"
MADE = "made"
"""in a run directory: the checkpoint before it is complete"""
_WRITTEN_ANEW = ("config.json", CARD_NAME)
_NOT_COPIED = (".safetensors", ".safetensors.index.json", ".md", ".part")


def digest_entries(entries: Iterable[LabeledImage]) -> str:
    """Return the digest of the images that a checkpoint is trained on, in their order.

    Provenance is left out: files of a built set are named by their digests already.
    """
    digest = sha256()
    for entry in entries:
        digest.update(f"{_write_line(entry)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _write_line(entry: LabeledImage) -> str:
    """Write what is digested of an image; one without a case as earlier versions did, which knew no missing boxes."""
    if entry.case:
        return entry.model_dump_json(exclude={"provenance"})
    return entry.model_copy(update={"boxes": entry.boxes or []}).model_dump_json(exclude={"provenance", "case"})


def refuse_finished(directory: Path, option: str) -> None:
    """Raise when the directory that `option` names is a checkpoint. Raises: BadSettings."""
    if (directory / "config.json").exists():
        raise BadSettings(f"{directory} holds a finished checkpoint; name another directory with {option}")


def write_run_config(directory: Path, config: Mapping[str, object], *, may_change: Collection[str] = ()) -> None:
    """Write everything that must be the same when a killed run goes on, and the profile's values that `may_change`.

    Raises: BadSettings when the directory holds the config of another run.
    """
    path = directory / CONFIGURATION
    if path.exists():
        earlier, ours = (_drop_values(each, may_change) for each in (json.loads(path.read_text()), config))
        if earlier != ours:
            raise BadSettings(f"{directory} holds another run that has not ended; delete it or name another --out")
    path.write_text(json.dumps(config, indent=2) + "\n")


def _drop_values(config: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a run config without these values of its profile, and without word of who changed them."""
    values = {name: value for name, value in config.get("values", {}).items() if name not in names}
    changed = [name for name in config.get("changed", ()) if name not in names]
    return {**config, "values": values, "changed": changed}


def complete_checkpoint(weights: Path, start: Checkpoint, trained_on: str) -> None:
    """Add the start's other files to new weights, and a card without what was measured on the old ones.

    Files that a killed run has copied are copied anew.
    """
    for file in start.path.iterdir():
        if file.is_file() and file.name not in _WRITTEN_ANEW and not file.name.endswith(_NOT_COPIED):
            _copy_file(file, weights / file.name)
    card = start.card.remove_calibration().model_copy(update={"metrics": {}, "trained_on": trained_on})
    (weights / CARD_NAME).write_text(card.model_dump_json(indent=2) + "\n")


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file, which gets its name when all of it is there."""
    with write_whole(target) as unfinished:
        shutil.copyfile(source, unfinished)


def publish_checkpoint(source: Path, out: Path) -> None:
    """Copy the files of a complete checkpoint; config.json comes last, because with it `out` is a checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    files = sorted((file for file in source.iterdir() if file.is_file()), key=lambda file: file.name == "config.json")
    for file in files:
        _copy_file(file, out / file.name)


def write_outcome(directory: Path, outcome: Mapping[str, object]) -> None:
    """Write what came of the run into its directory."""
    (directory / OUTCOME).write_text(json.dumps(outcome, indent=2) + "\n")


def delete_unfinished_work(directory: Path) -> None:
    """Delete what only a run that has not ended needs."""
    for path in [directory / MADE, *directory.glob("checkpoint-*")]:
        shutil.rmtree(path)
