"""Decides whether a running engine can take over another checkpoint by its weights alone."""

import hashlib
import json
from pathlib import Path

from pipeline.checkpoint import ANSWERING_SUFFIXES, CARD_NAME, Checkpoint

WEIGHT_SUFFIXES = (".safetensors", ".safetensors.index.json")
UNUSED_FILES = frozenset({"generation_config.json"})
"""vLLM is started without it"""
UNUSED_KEYS = ("_name_or_path", "transformers_version")
"""of config.json: who wrote it, not what it describes"""
DTYPE_KEYS = ("dtype", "torch_dtype")
"""in the sections of config.json: an engine starts with one dtype, which follows from the key beside the sections"""
ENGINE_FIELDS = ("prompt_version", "box_frame", "scan_max_pixels", "crop_max_pixels", "max_crops")
"""of the card: the arguments and limits that an engine starts with follow from them"""


def find_reload_obstacle(serving: Checkpoint, other: Checkpoint) -> str | None:
    """Return what only a new engine can take over from `other`; None if new weights and a new card are all."""
    for field in ENGINE_FIELDS:
        if getattr(serving.card, field) != getattr(other.card, field):
            return f"{field} of {CARD_NAME} differs"
    old, new = (_compute_digests(checkpoint.path) for checkpoint in (serving, other))
    different = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f"{different[0]} differs" if different else None


def _compute_digests(directory: Path) -> dict[str, str]:
    """Return the digest of each file that an engine reads once, when it starts."""
    files = (
        path
        for path in directory.iterdir()
        if path.suffix in ANSWERING_SUFFIXES and not path.name.endswith(WEIGHT_SUFFIXES)
    )
    return {path.name: _digest(path) for path in files if path.name not in UNUSED_FILES | {CARD_NAME}}


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "config.json":
        config = {key: _drop_dtypes(value) for key, value in json.loads(content).items() if key not in UNUSED_KEYS}
        content = json.dumps(config, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _drop_dtypes(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {key: inner for key, inner in value.items() if key not in DTYPE_KEYS}
