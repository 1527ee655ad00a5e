"""Predictions of a checkpoint on disk, so that images are judged once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import BadSettings
from training.common.whole_file import write_whole
from training.evaluation.metrics import Prediction

_STORED = TypeAdapter(tuple[dict[str, list[Prediction]], str])


def store_predictions(path: Path, predictions: Mapping[str, Sequence[Prediction]], engine: str) -> None:
    """Write the predictions by pass with the name of the engine; the file is whole or absent."""
    with write_whole(path) as unfinished:
        unfinished.write_bytes(_STORED.dump_json(({name: list(each) for name, each in predictions.items()}, engine)))


def read_predictions(path: Path) -> tuple[dict[str, list[Prediction]], str]:
    """Read what `store_predictions` has written. Raises: BadSettings when it is a file of another form."""
    try:
        return _STORED.validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadSettings(
            f"{path} is not of this version's form; remove it, and its predictions are made again"
        ) from error
