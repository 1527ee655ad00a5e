"""The demands of the gate: the numbers of each row, in profiles that a YAML file changes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from training.gate.table import DemandValue, RowName
from training.runs.profiles import Count, Fraction
from training.runs.run_file import NO_FILE, RunFile, apply_changes
from training.shadow.demand import ShadowDemand

GateProfile = Literal["production", "demo"]
DEFAULT_PROFILE: GateProfile = "production"
PROFILES: Sequence[GateProfile] = get_args(GateProfile)
Factor = Annotated[float, Field(ge=1, le=10)]


class Demands(BaseModel):
    """The numbers that a challenger has to keep; the defaults are those of production."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    golden_may_fall: Fraction = Field(default=0.005, description="Acc on the golden set falls by less, by the bound")
    fpr_may_rise: Fraction = Field(default=0.005, description="false-positive rate over all real images rises by less")
    source_fpr_may_rise: Fraction = Field(
        default=0.03, description="false-positive rate of each large source rises by less"
    )
    source_images: Count = Field(default=200, description="real images from which on a source is large")
    new_gain_above: Fraction = Field(default=0.0, description="Acc on the new kinds rises by more")
    base_may_fall: Fraction = Field(default=0.01, description="Acc on the base set falls by less")
    perturbed_may_fall: Fraction = Field(
        default=0.02, description="Acc on each kind of perturbed golden images falls by less"
    )
    perturbed_images: Count = Field(default=2000, description="golden images that are perturbed, at most")
    random_boxes_share: Fraction = Field(
        default=0.5, description="random boxes cost this share of what they cost the champion"
    )
    c_acc_above: Fraction = Field(default=0.5, description="Acc where Query 2 changed the verdict")
    iou_share: Fraction = Field(default=0.95, description="share of the champion's IoU that is kept")
    bleu2_share: Fraction = Field(default=0.95, description="share of the champion's BLEU-2 that is kept")
    unparsed_at_most: Fraction = Field(default=0.002, description="share of images with an unreadable answer")
    ece_may_rise: Fraction = Field(default=0.01, description="calibration error on the golden set rises by less")
    brier_may_rise: Fraction = Field(default=0.005, description="Brier score on the golden set rises by less")
    overlay_may_fall: Fraction = Field(
        default=0.02, description="generated images that stay called so under text fall by less"
    )
    overlay_images: Count = Field(default=1000, description="generated golden images that text is drawn over, at most")
    latency_factor: Factor = Field(default=1.1, description="seconds of an image, over those of the champion")
    latency_images: Count = Field(default=50, description="golden images that are timed, at most")
    memory_factor: Factor = Field(default=1.1, description="bytes that the engine needs, over those of the champion")
    images_of_each_class: Count = Field(
        default=20, description="images of each class that a set needs to be judged at all"
    )
    shadow: ShadowDemand | None = Field(
        default=None, description="hours of live traffic that both judge, and the share of verdicts that may flip"
    )
    waive: dict[RowName, str] = Field(default={}, description="rows that may fail, each with the reason")

    @field_validator("waive")
    @classmethod
    def _require_reasons(cls, waive: dict[RowName, str]) -> dict[RowName, str]:
        for row, reason in waive.items():
            if not reason.strip():
                raise ValueError(f"{row} has no reason; write why it may fail, as in `{row}: too few labels so far`")
        return waive

    @model_validator(mode="after")
    def _require_enough_images(self) -> Self:
        for name, times in (("perturbed_images", 2), ("overlay_images", 1)):
            least = times * self.images_of_each_class
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; images_of_each_class asks for {least} or more")
        return self


DEMANDS: Mapping[GateProfile, Demands] = {
    "production": Demands(),
    # For sets of a few hundred images: each margin is what such a set can show of a challenger that is as good.
    "demo": Demands(
        golden_may_fall=0.06,
        fpr_may_rise=0.06,
        source_fpr_may_rise=0.06,
        base_may_fall=0.05,
        perturbed_may_fall=0.08,
        perturbed_images=200,
        iou_share=0.9,
        bleu2_share=0.9,
        unparsed_at_most=0.01,
        ece_may_rise=0.05,
        brier_may_rise=0.03,
        overlay_may_fall=0.1,
        overlay_images=100,
        latency_factor=3.0,  # other work on the same cores slows one model more than the other
        latency_images=20,
    ),
}
_NAMES = tuple(Demands.model_fields)


def resolve_demands(
    profile: GateProfile | None = None, changes: Mapping[str, Any] | None = None, file: RunFile = NO_FILE
) -> tuple[GateProfile, Demands]:
    """Return the profile and its demands with the changes of the caller and of the file.

    Raises: BadSettings with every value that is wrong.
    """
    name = next((each for each in PROFILES if each == (profile or file.profile)), DEFAULT_PROFILE)
    return name, apply_changes(Demands, DEMANDS[name].model_dump(), changes or {}, file, _NAMES)


def find_changed_demands(profile: GateProfile, demands: Demands) -> dict[str, DemandValue]:
    """Return the values that differ from those of the profile."""
    ours, standing = demands.model_dump(mode="json"), DEMANDS[profile].model_dump(mode="json")
    return {name: value for name, value in ours.items() if value != standing[name]}
