"""The result of the experiment from the predictions of its arms: metrics, differences, and decided claims. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from training.common import resampling
from training.common.resampling import Metric
from training.runs.run_log import Line
from training.stages import claims, differences, window
from training.stages.arms import ARMS, CONTROL, START
from training.stages.claims import Claim
from training.stages.differences import ArmStatistics, JoinedPasses, Passes
from training.stages.results_file import ArmResult, ClaimResult, Effort, RewardSummary

BySeed = Mapping[int, Passes]
SHARE_OF_STEPS = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """One arm with its predictions by seed, and what each seed took."""

    predictions: BySeed
    efforts: Mapping[int, Effort]


def summarize_effort(logs: Mapping[str, Sequence[Line]], answers_per_step: int) -> Effort:
    """Summarize the logged steps of an arm's phases."""
    lines = [line for of_phase in logs.values() for line in of_phase]
    return Effort(
        answers=len(lines) * answers_per_step,
        minutes=round(sum(line.get("step_s", 0.0) for line in lines) / 60, 2),
        rewards={phase: _summarize_rewards(of_phase) for phase, of_phase in logs.items()},
    )


def _summarize_rewards(lines: Sequence[Line]) -> RewardSummary:
    rewards, spreads, equal = (
        [line[name] for line in lines if name in line] for name in ("reward", "reward_std", "zero_variance_share")
    )
    part = max(1, round(SHARE_OF_STEPS * len(rewards)))
    return RewardSummary(
        first=_average(rewards[:part]),
        last=_average(rewards[-part:]),
        std=_average(spreads),
        zero_variance_share=_average(equal),
    )


def _average(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def summarize_arms(trained: Mapping[str, Trained]) -> dict[str, ArmResult]:
    """Compute metrics of every arm, and its differences to start and control over the seeds that both have."""
    return {name: _summarize_arm(name, trained) for name in trained}


def _summarize_arm(name: str, trained: Mapping[str, Trained]) -> ArmResult:
    arm = trained[name]
    return ArmResult(
        title="the start" if name == START else ARMS[name].title,
        seeds=sorted(arm.predictions),
        metrics=resampling.round_metrics(_build(arm.predictions, sorted(arm.predictions)).estimate()),
        added_to_start=_subtract(arm, trained[START]) if name != START else {},
        added_to_control=_subtract(arm, trained[CONTROL]) if CONTROL in trained and name != CONTROL else None,
        efforts=dict(arm.efforts),
    )


def describe_start(start: ArmResult) -> str:
    """Say whether the start has room, by its judged metrics over all seeds."""
    iou, acc, acc_annotated = (start.metrics[name].value or 0.0 for name in ("iou", "acc", "acc_annotated"))
    return window.STANDARD.describe_start(iou, acc, acc_annotated)


def _subtract(arm: Trained, other: Trained) -> dict[str, Metric]:
    seeds = sorted(arm.predictions.keys() & other.predictions.keys())
    return (
        resampling.round_metrics(_build(arm.predictions, seeds).subtract(_build(other.predictions, seeds)))
        if seeds
        else {}
    )


def _build(predictions: BySeed, seeds: Sequence[int]) -> ArmStatistics:
    return ArmStatistics.build(differences.join_seeds([predictions[seed] for seed in seeds]))


def decide_claims(trained: Mapping[str, Trained]) -> list[ClaimResult]:
    """Decide every claim whose arms are trained; the others are not tested."""
    return [_decide(claim, trained) for claim in claims.CLAIMS]


def _decide(claim: Claim, trained: Mapping[str, Trained]) -> ClaimResult:
    result = ClaimResult(**asdict(claim), outcome="not tested")
    if claim.arm not in trained or claim.against not in trained:
        return result
    arm, other = trained[claim.arm].predictions, trained[claim.against].predictions
    seeds = sorted(arm.keys() & other.keys())
    if not seeds:
        return result
    pair = _join(arm, other, seeds)
    pairs = {seed: _join(arm, other, [seed]) for seed in seeds}
    difference = _compare(claim, *pair)
    by_seed = {seed: _compare(claim, *of_seed).value for seed, of_seed in pairs.items()}
    readable_pair = differences.select_readable(*pair)
    readable = _compare(claim, *readable_pair)
    readable_by_seed = {
        seed: _compare(claim, *differences.select_readable(*of_seed)).value for seed, of_seed in pairs.items()
    }
    update = {
        "outcome": claims.decide_claim(claim.sign, difference, by_seed),
        "difference": difference,
        "by_seed": by_seed,
        "readable": readable,
        "readable_outcome": claims.decide_claim(claim.sign, readable, readable_by_seed),
        "readable_scenes": len(readable_pair[0].scenes),
        "over_control": _compare_with_control(claim, trained),
    }
    return result.model_copy(update=update)


def _compare_with_control(claim: Claim, trained: Mapping[str, Trained]) -> Metric | None:
    """Return the arm minus more fine-tuning, for claims against the start."""
    if claim.against != START or CONTROL not in trained:
        return None
    arm, control = trained[claim.arm].predictions, trained[CONTROL].predictions
    seeds = sorted(arm.keys() & control.keys())
    return _compare(claim, *_join(arm, control, seeds)) if seeds else None


def _join(arm: BySeed, other: BySeed, seeds: Sequence[int]) -> tuple[JoinedPasses, JoinedPasses]:
    """Join the same seeds of both."""
    first, second = (differences.join_seeds([of_arm[seed] for seed in seeds]) for of_arm in (arm, other))
    return first, second


def _compare(claim: Claim, arm: JoinedPasses, other: JoinedPasses) -> Metric:
    """Return the claim's metric of the arm minus that of the other, over the same scenes and seeds."""
    first, second = (ArmStatistics.build(joined, [claim.metric]) for joined in (arm, other))
    return resampling.round_metrics(first.subtract(second))[claim.metric]
