"""Reads a checkpoint directory: its card `zoomin.json` (frame, budgets, calibration) and its revision."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.confidence import logit, sigmoid
from pipeline.errors import BadSettings
from pipeline.verdict import Decision, Inspection, Verdict

PROMPT_VERSION: Literal["1"] = "1"
CARD_NAME = "zoomin.json"
EVEN_ODDS = 0.5
BoxFrame = Literal["pixels", "thousand"]
# Files that can change an answer, besides the card itself.
ANSWERING_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")


class Scaling(BaseModel):
    """Calibrated log-odds = raw log-odds / temperature + bias."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float = Field(default=1.0, gt=0)
    bias: float = 0.0

    def apply(self, p_generated_raw: float) -> float:
        """Return the calibrated probability, in [0, 1]."""
        return sigmoid(logit(p_generated_raw) / self.temperature + self.bias)


class Calibration(Scaling):
    """One scaling for all sources, and another for each source with enough labeled cases."""

    per_source: dict[str, Scaling] = Field(default_factory=dict)


class CheckpointCard(BaseModel):
    """The prompt frame, budgets and calibration of a checkpoint; the defaults are the conventions of Qwen2.5-VL.

    Fields that came later are neither written nor hashed at their default, so that older cards keep their revision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    prompt_version: Literal["1"] = PROMPT_VERSION
    box_frame: BoxFrame = "pixels"
    scan_max_pixels: int = Field(default=512 * 512, ge=56 * 56, description="area of the view that Query 1 sees")
    crop_max_pixels: int = Field(default=336 * 336, ge=56 * 56, description="area that each crop is scaled to")
    max_crops: int = Field(default=8, ge=1, le=32)
    calibration: Calibration | None = Field(default=None, description="of P(generated) after Query 2")
    scan_calibration: Scaling | None = Field(
        default=None, exclude_if=lambda scaling: scaling is None, description="of P(generated) after Query 1"
    )
    threshold: float = Field(
        default=EVEN_ODDS,
        gt=0,
        lt=1,
        exclude_if=lambda threshold: threshold == EVEN_ODDS,
        description="calibrated P(generated) from which on the verdict is generated",
    )
    uncertain_between: tuple[float, float] | None = None
    trained_on: str | None = Field(default=None, description="sha256 of the training manifest")
    metrics: dict[str, Any] = Field(default_factory=dict)

    def decide_inspection(self, inspection: Inspection, source: str | None) -> Decision:
        """Return the verdict to publish: Query 2's probability decides, or Query 1's where there is no other."""
        if inspection.check is None:
            return self.decide_scan(inspection.scan.p_generated)
        return self.decide_check(inspection.check.p_generated, source)

    def decide_check(self, p_generated_raw: float, source: str | None) -> Decision:
        """Return the verdict that follows from P(generated) of Query 2, calibrated by the card for this source."""
        if self.calibration is None:
            return self._decide(p_generated_raw, None)
        return self._decide(p_generated_raw, self.calibration.per_source.get(source or "", self.calibration))

    def decide_scan(self, p_generated_raw: float) -> Decision:
        """Return the verdict that follows from P(generated) of Query 1, calibrated if the card says how."""
        return self._decide(p_generated_raw, self.scan_calibration)

    def remove_calibration(self) -> "CheckpointCard":
        """Return the card without what was fitted to the probabilities of its weights, and the threshold at .5.

        A threshold was chosen for calibrated probabilities: on others it means other costs.
        """
        removed = {"calibration": None, "scan_calibration": None, "uncertain_between": None, "threshold": EVEN_ODDS}
        return self.model_copy(update=removed)

    def _decide(self, p_generated_raw: float, scaling: Scaling | None) -> Decision:
        p_generated = p_generated_raw if scaling is None else scaling.apply(p_generated_raw)
        verdict = Verdict.GENERATED if p_generated >= self.threshold else Verdict.REAL
        low, high = self.uncertain_between or (math.inf, -math.inf)
        return Decision(verdict, p_generated, p_generated_raw, uncertain=low <= p_generated <= high)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model directory with its card; `revision` is a digest of all that changes answers."""

    path: Path
    card: CheckpointCard
    revision: str

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read the card and compute the revision.

        Raises: BadSettings if there is no model in `path` or its card is invalid.
        """
        path = path.resolve()
        require_model(path)
        card = read_card(path / CARD_NAME)
        return cls(path, card, compute_revision(card, _hash_files(path)))


def require_model(path: Path) -> None:
    """Raise BadSettings if there is no model in the directory."""
    if not (path / "config.json").is_file():
        raise BadSettings(f"no model in {path}: it has no config.json; name the directory of a Qwen2.5-VL checkpoint")


def parse_card(body: bytes, place: str) -> CheckpointCard:
    """Parse a card that lies at `place`. Raises: BadSettings, which names every field that is wrong."""
    try:
        return CheckpointCard.model_validate_json(body)
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise BadSettings(f"the checkpoint card {place} cannot be followed: {fields}") from error


def read_card(path: Path) -> CheckpointCard:
    """Read a card, or return that of the conventions where there is none. Raises: BadSettings."""
    return parse_card(path.read_bytes(), str(path)) if path.is_file() else CheckpointCard()


def changes_answers(name: str) -> bool:
    """Decide whether a file of a checkpoint belongs to its revision; the card does, but is hashed by its values."""
    return name.endswith(ANSWERING_SUFFIXES) and name != CARD_NAME


def compute_revision(card: CheckpointCard, sha256_by_name: Mapping[str, str]) -> str:
    """Hash weights, tokenizer, processor, template, and the card without its metrics; other files are passed over."""
    digest = hashlib.sha256(card.model_dump_json(exclude={"metrics"}).encode())
    for name in sorted(filter(changes_answers, sha256_by_name)):
        digest.update(f"\n{name}\n".encode() + bytes.fromhex(sha256_by_name[name]))
    return f"sha256:{digest.hexdigest()}"


def _hash_files(path: Path) -> dict[str, str]:
    """Hash the files that change answers, by name."""
    digests = {}
    for file in path.iterdir():
        if changes_answers(file.name):
            with file.open("rb") as stream:
                digests[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests
