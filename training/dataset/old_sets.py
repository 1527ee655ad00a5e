"""Read `manifest.parquet`, the manifest of sets that were built before `manifest.jsonl` held all of it.

`pyarrow` is imported where it is used, so that all other sets can be read without it.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BadSettings
from training.dataset.labeled_image import Explanations, LabeledImage, Provenance

NAME = "manifest.parquet"
ROWS_AT_ONCE = 1024


def read_old_manifest(directory: Path) -> Iterator[LabeledImage]:
    """Yield the images in the order of their rows. Raises: BadSettings if the file is broken."""
    import pyarrow.parquet

    path = directory / NAME
    try:
        opened = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise BadSettings(f"{path} is broken ({str(error).splitlines()[0][:200]}); build the set again") from error
    with opened as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield _build_image(row)


def _build_image(row: dict[str, object]) -> LabeledImage:
    explanation = row["explanation"]
    fields = ("file", "label", "boxes", "shown", "source", "split")
    return LabeledImage.model_validate(
        {name: row[name] for name in fields}
        | {
            "explanations": Explanations(scan=str(explanation), check=str(explanation)) if explanation else None,
            "provenance": {name: row[name] for name in Provenance.model_fields if name in row},
        }
    )
