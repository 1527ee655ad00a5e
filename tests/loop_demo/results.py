"""The results of a loop for machines, `build/loop-demo.json`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoopDemoResults:
    """Accuracies are shares of right verdicts on the traffic, where the truth about every image is known.

    `before` and `after` are the first champion and the night's one. `lost` events have no verdict; `mixed_revisions`
    counts the events that were not judged by one revision, the one that was champion then.
    """

    acc_before: float | None
    acc_new_before: float | None
    acc_new_after: float | None
    acc_base_after: float | None
    labels: int
    night_seconds: float
    swap_seconds: float
    longest_silence_s: float
    events: int
    answered: int
    lost: int
    mixed_revisions: int
    refused_challenger: bool
    rolled_back: bool
    rejudged: int
    seconds: float
