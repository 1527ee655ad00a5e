"""Define an image of a labeled set: its file, its truth, and in a built set where it came from."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from pipeline.geometry import Size
from pipeline.verdict import BoundingBox, Verdict


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Explanations(BaseModel):
    """Reference explanations of Query 1 and Query 2."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scan: str
    check: str


class Provenance(BaseModel):
    """The origin of an image that `zoomin-train build` framed and annotated.

    `sha256` is the digest of the framed file, which has `width_px` x `height_px`. Images of one `group` are
    near-duplicates or share an origin. `repaired`: the file was broken, and its image is the one that viewers show.
    `annotated_by` names the models of explanation and boxes, or is `the source`. The `source_` fields describe the file
    before framing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    width_px: int = 512
    height_px: int = 512
    repaired: bool = False
    group: str = ""
    annotated_by: str = ""
    source_file: str
    source_sha256: str
    source_format: str
    source_width_px: int
    source_height_px: int
    source_bytes: int
    perceptual_hash: str

    @property
    def size_px(self) -> Size:
        return self.width_px, self.height_px

    @property
    def source_size_px(self) -> Size:
        return self.source_width_px, self.source_height_px


class LabeledImage(BaseModel):
    """One image of a labeled set; `file` is its path within the set's directory.

    `boxes` are half-open pixels of the full-size upright image, and `shown` describes the content of each.
    `origin` names the image from which this one was made, if several were made from it. `source` is the name that
    events use for the place it came from; a checkpoint may be calibrated for each source. `split` and `provenance` are
    set in a built set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    label: Verdict
    boxes: list[tuple[int, int, int, int]] = []
    shown: list[str] = []
    explanations: Explanations | None = None
    source: str | None = None
    origin: str = ""
    split: Split | None = None
    provenance: Provenance | None = None

    @property
    def regions(self) -> tuple[BoundingBox, ...]:
        return tuple(BoundingBox(*corners) for corners in self.boxes)

    @property
    def explanation(self) -> str:
        """The explanation of the verdict, which is that of Query 2; empty if there is none."""
        return self.explanations.check if self.explanations else ""

    def require_provenance(self) -> Provenance:
        """Return the provenance, which every image of a built set has."""
        assert self.provenance is not None, f"{self.file} belongs to no built set"
        return self.provenance
