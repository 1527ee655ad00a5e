"""Define an image of a labeled set: its file, its truth, and in a built set where it came from."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pipeline.geometry import Size
from pipeline.verdict import BoundingBox, Verdict
from pipeline.wire.labels import LabelOrigin
from pipeline.wire.messages import Moment


class Split(StrEnum):
    """`golden`: test images of the control sample in a snapshot, which nothing is ever trained, chosen or built on."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    GOLDEN = "golden"


class Explanations(BaseModel):
    """Reference explanations of Query 1 and Query 2."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scan: str
    check: str


class Provenance(BaseModel):
    """The origin of an image that `zoomin-train build` framed and annotated.

    `sha256` is the digest of the framed file, which has `width_px` x `height_px`. Images of one `group` are
    near-duplicates or share an origin. `repaired`: the file was broken, and its image is the one that viewers show.
    `annotated_by` names the models of explanation and boxes, or is `the source` or `annotators`. The `source_` fields
    describe the file before framing.
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


class CaseOrigin(BaseModel):
    """The case of the labeling bucket from which an image comes; it names neither the sender nor the annotators.

    `reasons` and `inclusion_probability` are those of the worker's sampling; the probability is 0 for a case that
    people chose. `recorded_at` is the time of the record that brought the image. `blind`: the annotator saw neither
    verdicts nor boxes of the model. `model_answer_kept`: boxes and explanation are the model's own, which were shown to
    the annotator and left unchanged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    case_id: str
    reasons: list[str]
    inclusion_probability: Annotated[float, Field(ge=0, le=1)]
    recorded_at: Moment
    label_origin: LabelOrigin
    blind: bool
    model_answer_kept: bool = False

    @property
    def weight(self) -> float:
        """The images of the traffic that this one stands for; 0 if people chose it, so it enters no estimate."""
        return 1 / self.inclusion_probability if self.inclusion_probability else 0.0


class LabeledImage(BaseModel):
    """One image of a labeled set; `file` is its path within the set's directory.

    `boxes` are half-open pixels of the full-size upright image, and `shown` describes the content of each. They are
    None if nobody was asked to draw, and empty if somebody looked and there is none.
    `origin` names the image from which this one was made, if several were made from it. `source` is the name that
    events use for the place it came from; a checkpoint may be calibrated for each source. `case` is set if the image
    was sampled from the traffic, `split` and `provenance` in a built set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    label: Verdict
    boxes: list[tuple[int, int, int, int]] | None = None
    shown: list[str] = []
    explanations: Explanations | None = None
    source: str | None = None
    origin: str = ""
    case: CaseOrigin | None = None
    split: Split | None = None
    provenance: Provenance | None = None

    @property
    def regions(self) -> tuple[BoundingBox, ...]:
        return tuple(BoundingBox(*corners) for corners in self.boxes or ())

    @property
    def explanation(self) -> str:
        """The explanation of the verdict, which is that of Query 2; empty if there is none."""
        return self.explanations.check if self.explanations else ""

    @property
    def weight(self) -> float:
        """The weight of the image in figures about the traffic.

        1 for an image that was not sampled from it, and for a golden one: they are a plain draw of the traffic, which
        no other reason of sampling had a part in.
        """
        return self.case.weight if self.case and self.split is not Split.GOLDEN else 1.0

    def require_provenance(self) -> Provenance:
        """Return the provenance, which every image of a built set has."""
        assert self.provenance is not None, f"{self.file} belongs to no built set"
        return self.provenance
