"""The finished set on disk: (I, E, B, C) tuples in `manifest.parquet`, images by digest, and what was left out.

`pyarrow` is imported where it is used: who only draws scenes does without it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import geometry
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, Verdict

if TYPE_CHECKING:
    import pyarrow

NAME = "manifest.parquet"
LEFT_OUT_NAME = "left_out.jsonl"
ROWS_AT_ONCE = 1024


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An image that did not come into the set, and why: `reason` is counted, `detail` is for people."""

    name: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tuple:
    """One image I of the set with its explanation E, boxes B, and the windows that its crops C are cut from.

    Boxes and windows are pixels of the training frame; `shown` says what each box holds. `sha256` is the file's and
    its name. `annotated_by` names the models of explanation and boxes, or says `the source`. Images of one `group` are
    near-duplicates or of one origin. `source` is what events call the place it came from, if it has a name;
    `source_file` and the rest tell of the file as it came.
    """

    sha256: str
    label: Verdict
    split: Split
    group: str
    explanation: str
    boxes: tuple[BoundingBox, ...]
    shown: tuple[str, ...]
    annotated_by: str
    source: str | None
    source_file: str
    source_sha256: str
    source_format: str
    source_size_px: geometry.Size
    source_bytes: int
    perceptual_hash: str

    @property
    def file(self) -> str:
        return file_of(self.sha256)

    @property
    def crop_windows(self) -> tuple[BoundingBox, ...]:
        return tuple(geometry.crop_window(box, (FRAME_PX, FRAME_PX)) for box in self.boxes)


FRAME_PX = 512
"""side of the training frame"""


def file_of(sha256: str) -> str:
    """Where the image of this digest lies within the set."""
    return f"images/{sha256[:2]}/{sha256}.png"


def write(directory: Path, tuples: Sequence[Tuple]) -> Path:
    """The manifest, in the order of digests: the place of a row says nothing of its label."""
    import pyarrow.parquet

    path = directory / NAME
    unfinished = path.with_suffix(".unfinished")
    ordered = sorted(tuples, key=lambda one: one.sha256)
    with pyarrow.parquet.ParquetWriter(unfinished, _schema()) as writer:
        for start in range(0, len(ordered), ROWS_AT_ONCE):
            rows = [_row(one) for one in ordered[start : start + ROWS_AT_ONCE]]
            writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, _schema()))
    unfinished.replace(path)
    return path


def read(directory: Path) -> Iterator[Tuple]:
    """Raises: BadSettings when the manifest is no such file, or broken."""
    import pyarrow.parquet

    path = directory / NAME
    try:
        opened = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise BadSettings(f"{path} is broken ({str(error).splitlines()[0][:200]}); build the set again") from error
    with opened as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield _tuple(row)


def write_left_out(directory: Path, left_out: Iterable[LeftOut]) -> None:
    lines = (json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in left_out)
    (directory / LEFT_OUT_NAME).write_text("".join(lines))


def read_left_out(directory: Path) -> list[LeftOut]:
    """Nothing where the directory has no such file."""
    path = directory / LEFT_OUT_NAME
    return [LeftOut(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []


def reasons(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """How many were left out for each reason, the commonest first."""
    return dict(Counter(one.reason for one in left_out).most_common())


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    corners = pa.list_(pa.list_(pa.int32(), 4))
    texts = ("sha256", "file", "label", "split", "group", "explanation", "annotated_by")
    source = ("source", "source_file", "source_sha256", "source_format", "perceptual_hash")
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("boxes", corners),
            ("shown", pa.list_(pa.string())),
            ("crop_windows", corners),
            *((name, pa.string()) for name in source),
            ("source_width_px", pa.int32()),
            ("source_height_px", pa.int32()),
            ("source_bytes", pa.int64()),
        ]
    )


def _row(one: Tuple) -> dict[str, object]:
    row = asdict(one) | {"file": one.file}
    row["source_width_px"], row["source_height_px"] = row.pop("source_size_px")
    row["boxes"] = [box.corners for box in one.boxes]
    row["crop_windows"] = [window.corners for window in one.crop_windows]
    return row


def _tuple(row: dict[str, object]) -> Tuple:
    boxes, shown = row.pop("boxes"), row.pop("shown")
    assert isinstance(boxes, list)
    assert isinstance(shown, list)
    size = row.pop("source_width_px"), row.pop("source_height_px")
    rest = {name: value for name, value in row.items() if name not in ("file", "crop_windows", "label", "split")}
    return Tuple(
        label=Verdict(row["label"]),
        split=Split(row["split"]),
        boxes=tuple(BoundingBox(*corners) for corners in boxes),
        shown=tuple(shown),
        source_size_px=size,  # type: ignore[arg-type]
        **rest,  # type: ignore[arg-type]
    )
