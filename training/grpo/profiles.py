"""Three profiles for each of the two GRPO stages; each value has a name, bounds and a description.

`paper` takes what the paper gives (`GIVEN`); it gives little, and every other value is a guess. `production` uses the
same model with more careful values. `tiny` raised IoU from .35 by .05 in trials on an earlier tiny model; from the .70
to .74 of today's, 20 to 60 steps at 3e-5 changed the f1 reading by -.001 to +.007 (models/seeds.json).
Source: paper section 3.3 and appendix (ms-swift, two generations, learning rate 1e-5).
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from training.runs import profiles
from training.runs.profiles import Amount, Count, Fraction, Natural, ProfileName, ResolvedProfile
from training.runs.run_file import NO_FILE, RunFile
from training.validation.profile import ValidatedProfile

Stage = Literal[1, 2]
Schedule = Literal["constant", "linear"]
Loss = Literal["grpo", "dr_grpo", "dapo", "bnpo"]
Scaling = Literal["group", "batch", "none"]
IouMode = Literal["eq2", "recall", "f1"]
BoxSource = Literal["model", "none"]
Generation = Literal["transformers", "vllm_colocate", "vllm_server"]
Weights = tuple[tuple[str, float], ...]
REWARDS = ("format", "iou", "verdict", "bleu")


def parse_weights(text: str) -> Weights:
    """Read `stage_rewards` as the command line writes it: `iou=1,verdict=0.25`. Raises: ValueError."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    return tuple((name.strip(), float(weight)) for name, _, weight in pairs)


def _read_weights(value: object) -> object:
    """Take a mapping of a run file, or the command line's form, as pairs."""
    if isinstance(value, str):
        return parse_weights(value)
    return tuple(value.items()) if isinstance(value, dict) else value


class GrpoProfile(ValidatedProfile):
    """Every value of a GRPO run."""

    GIVEN: ClassVar = ("learning_rate", "generations", "stage_rewards", "iou_mode")
    OF_THE_SAMPLER: ClassVar = (
        *("generation", "server_url", "vllm_gpu_memory_utilization", "vllm_max_model_len", "vllm_tensor_parallel_size"),
    )
    MAY_CHANGE: ClassVar = (*OF_THE_SAMPLER, "validation_engine")
    """fields that a killed run may go on with other values of"""
    OF_THE_MACHINE: ClassVar = (
        *("micro_batch", *MAY_CHANGE, "validation_images", "validate_every", "save_every", "report_to"),
    )
    steps: Count = Field(description="optimizer steps")
    prompts: Count = Field(description="prompts a step")
    generations: int = Field(ge=2, description="answers to each prompt, compared with each other")
    schedule: Schedule = Field(description="how the learning rate goes on after the warm-up")
    warm_up_steps: Count = Field(description="steps until the learning rate is reached")
    temperature: Amount = Field(description="of the sampled answers")
    beta: Amount = Field(description="weight of the divergence from the start")
    loss: Loss = Field(description="how answers of different length are weighted")
    scale_rewards: Scaling = Field(description="what an answer's advantage is divided by")
    epsilon: Amount = Field(description="lower clip of the probability ratio")
    epsilon_high: Amount = Field(description="upper clip of the probability ratio")
    adam_beta2: float = Field(ge=0, lt=1, description="second decay of Adam")
    answer_tokens: Count = Field(description="at most, in training")
    mask_truncated: bool = Field(description="answers that ran out of tokens train nothing")
    stage_rewards: Annotated[Weights, BeforeValidator(_read_weights)] = Field(
        description="weights of format, iou, verdict and bleu, as in iou=1,verdict=0.25"
    )
    iou_mode: IouMode = Field(description="reading of equation 2; eq2 rises when boxes are left out")
    box_source: BoxSource = Field(
        description="stage 2: crops at the model's boxes, or none: Query 2 alone, for one turn"
    )
    own_boxes_fraction: Fraction = Field(
        description="stage 2: share of prompts with the model's own crops, the rest annotated"
    )
    scan_fraction: Fraction = Field(
        description="stage 2: share of Query 1 prompts among all, so that it is not forgotten"
    )
    generation: Generation = Field(
        description="who samples the answers; without a GPU, transformers does where a profile names vLLM"
    )
    server_url: str = Field(description="where vllm_server listens")
    vllm_gpu_memory_utilization: float = Field(
        gt=0, lt=1, description="vllm_colocate: share of each GPU's memory that vLLM takes"
    )
    vllm_max_model_len: Natural = Field(
        description="vllm_colocate: tokens of a prompt and its answer at most; 0: as many as the card needs"
    )
    vllm_tensor_parallel_size: Natural = Field(
        description="vllm_colocate: GPUs that one copy of the weights is spread over; 0: the fewest that hold it"
    )
    validate_every: Count = Field(description="steps between validations for the log, which decide nothing")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = []
        if self.answers % self.micro_batch:
            problems.append(f"micro_batch is {self.micro_batch}; it must divide prompts * generations, {self.answers}")
        if unknown := [name for name, _ in self.stage_rewards if name not in REWARDS]:
            problems.append(f"stage_rewards names {', '.join(unknown)}; there are {', '.join(REWARDS)}")
        if not self.weights or not all(0 < weight < math.inf for weight in self.weights.values()):
            problems.append(
                "stage_rewards has no reward of positive weight, or a negative one; name at least one, as in iou=1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def answers(self) -> int:
        """The answers of a step."""
        return self.prompts * self.generations

    @property
    def weights(self) -> dict[str, float]:
        """The rewards that count, with their weights."""
        return {name: weight for name, weight in self.stage_rewards if weight}

    def compute_rate(self, *, step: int, fraction: float) -> float:
        """Return the share of the learning rate at `fraction` of the run: a ramp, then constant or linear to zero."""
        left = max(0.0, 1 - fraction) if self.schedule == "linear" else 1.0
        return min(1.0, (step + 1) / self.warm_up_steps) * left


_PAPER_SCAN = GrpoProfile(
    steps=500,  # with 32 prompts: once through four fifths of 20,000 images
    prompts=32,
    generations=2,
    learning_rate=1e-5,
    schedule="constant",
    warm_up_steps=25,
    temperature=0.9,
    beta=0.04,
    loss="grpo",
    scale_rewards="group",  # with two answers the advantage is +-0.707: rewards act by their sign
    epsilon=0.2,
    epsilon_high=0.2,
    adam_beta2=0.999,
    answer_tokens=512,
    mask_truncated=False,
    stage_rewards=(("format", 1.0), ("iou", 1.0)),
    iou_mode="eq2",
    box_source="model",
    own_boxes_fraction=0.7,
    scan_fraction=0.0,
    trained="all",
    lora_rank=64,
    lora_alpha=128,
    lora_dropout_fraction=0.0,  # answers come from the whole adapter, so the whole one learns from them
    dtype="float32",
    validation_tokens=512,
    micro_batch=4,
    generation="transformers",
    server_url="http://127.0.0.1:8000",
    vllm_gpu_memory_utilization=0.35,  # of 80 GB: 7B on each GPU, 32B over four, with room for the trainer
    vllm_max_model_len=0,
    vllm_tensor_parallel_size=0,
    validation_images=1000,  # the 95 % interval of a difference of Acc or IoU is some .01 wide on each side
    kept="better",
    validate_every=100,
    save_every=25,
)
_PRODUCTION_SCAN = _PAPER_SCAN.change(
    generations=8,
    learning_rate=2e-6,
    beta=0.01,
    loss="dr_grpo",
    scale_rewards="none",  # a group that nearly agrees must not shout
    epsilon_high=0.28,
    mask_truncated=True,
    stage_rewards=(("format", 1.0), ("iou", 1.0), ("verdict", 0.25)),
    iou_mode="f1",
    generation="vllm_colocate",
)
_TINY_SCAN = _PRODUCTION_SCAN.change(
    steps=60,
    prompts=32,
    learning_rate=1e-4,
    schedule="linear",
    warm_up_steps=5,
    temperature=0.8,
    beta=0.0,
    adam_beta2=0.99,
    answer_tokens=46,  # the explanation begins there, and the rewards are decided
    mask_truncated=False,
    lora_rank=16,
    lora_alpha=32,
    validation_tokens=100,
    micro_batch=64,
    generation="transformers",
    validate_every=30,
    save_every=5,
)
_CHECK: Weights = (("verdict", 1.0), ("bleu", 1.0))


def _mix_in_scans(profile: GrpoProfile) -> GrpoProfile:
    """Add Query 1 prompts to stage 2, rewarded by verdict and boxes: without them I-Acc falls."""
    return profile.change(stage_rewards=(*_CHECK, ("iou", 1.0)), scan_fraction=0.3)


_TINY_CHECK = _TINY_SCAN.change(
    steps=32, prompts=16, learning_rate=5e-5, temperature=1.0, answer_tokens=64, validate_every=16
)
PROFILES: Mapping[tuple[ProfileName, Stage], GrpoProfile] = {
    ("paper", 1): _PAPER_SCAN,
    ("paper", 2): _PAPER_SCAN.change(stage_rewards=_CHECK),
    ("production", 1): _PRODUCTION_SCAN,
    ("production", 2): _mix_in_scans(_PRODUCTION_SCAN),
    ("tiny", 1): _TINY_SCAN,
    ("tiny", 2): _mix_in_scans(_TINY_CHECK),
}
VALUES = profiles.list_fields(GrpoProfile)

# Scenes that stand for a set where none is named.
FIRST_SCENE = 50_000
"""of a seed's 100,000 scenes; fine-tuning has those before it"""
VALIDATION_SCENE = 7_000_000
SCENES = 1500


def resolve_grpo_profile(
    name: ProfileName,
    stage: Stage,
    changes: Mapping[str, Any],
    file: RunFile = NO_FILE,
    *,
    on_gpu: bool = False,
) -> ResolvedProfile[GrpoProfile]:
    """Change values of the profile `name` of a stage; without a GPU the profile's own sampler is transformers.

    Raises: BadSettings when the changed profile cannot work.
    """
    profile = PROFILES[name, stage]
    return profiles.resolve_profile(
        name, profile if on_gpu else profile.change(generation="transformers"), changes, file
    )
