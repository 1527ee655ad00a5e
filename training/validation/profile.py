"""The values that a profile has about validation: how many images decide, who answers, and what is kept."""

from typing import Literal

from pydantic import Field

from training.runs.profiles import Count, TrainingProfile

Kept = Literal["better", "last"]
ValidationEngine = Literal["auto", "transformers", "vllm"]


class ValidatedProfile(TrainingProfile):
    """A profile of a run whose weights may have to prove themselves before they replace the start."""

    validation_tokens: Count = Field(description="tokens of an answer at most, in validation")
    validation_images: Count = Field(description="images that decide whether the weights replace the start")
    validation_engine: ValidationEngine = Field(
        default="auto", description="who answers for what decides; auto: vLLM where one process has a GPU for itself"
    )
    kept: Kept = Field(description="the last weights: if they prove better than the start, or whatever they do")
