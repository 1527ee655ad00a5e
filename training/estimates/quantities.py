"""The quantities of a detector on live traffic, each as values of cases and the cases that it is about; pure.

Shapes: all arrays are [..., cases].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.common.resampling import Floats
from training.estimates.intervals import Bools


def convert_to_share(flags: Bools) -> Floats:
    """Convert flags to values whose mean is the share of cases that have the flag."""
    return flags.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Verdicts beside truths; `truth` is 1 for generated, and counts where `decided`."""

    p_generated: Floats
    generated: Bools
    uncertain: Bools
    blind: Bools
    truth: Floats
    decided: Bools

    @property
    def right(self) -> Floats:
        return convert_to_share(np.equal(self.generated, self.truth == 1))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A mean of `values` over the traffic that `among` names; `title` and `meaning` are for readers."""

    name: str
    title: str
    meaning: str
    values: Callable[[Outcomes], Floats]
    among: Callable[[Outcomes], Bools]


PREVALENCE, ACCURACY, UNDECIDED, ECE = "prevalence", "accuracy", "undecided", "ece"
MEANS = (
    Quantity(
        PREVALENCE,
        "Prevalence",
        "share of generated images in the traffic",
        lambda of: of.truth,
        lambda of: of.decided,
    ),
    Quantity(ACCURACY, "Accuracy", "share of right verdicts", lambda of: of.right, lambda of: of.decided),
    Quantity(
        "false_positive_rate",
        "False positives",
        "share of real images with the verdict generated",
        lambda of: convert_to_share(of.generated),
        lambda of: of.decided & (of.truth == 0),
    ),
    Quantity(
        "false_negative_rate",
        "False negatives",
        "share of generated images with the verdict real",
        lambda of: convert_to_share(~of.generated),
        lambda of: of.decided & (of.truth == 1),
    ),
    Quantity(
        "precision",
        "Precision",
        "share of generated images among verdicts generated",
        lambda of: of.truth,
        lambda of: of.decided & of.generated,
    ),
    Quantity(
        "brier",
        "Brier score",
        "mean squared distance of P(generated) from the truth; 0 is best",
        lambda of: (of.p_generated - of.truth) ** 2,
        lambda of: of.decided,
    ),
    Quantity(
        "certain",
        "Coverage",
        "share of verdicts outside the uncertain range",
        lambda of: convert_to_share(~of.uncertain),
        lambda of: np.ones_like(of.decided),
    ),
    Quantity(
        "accuracy_certain",
        "Accuracy, certain",
        "share of right verdicts outside the uncertain range",
        lambda of: of.right,
        lambda of: of.decided & ~of.uncertain,
    ),
    Quantity(
        "accuracy_blind",
        "Accuracy, blind",
        "share of right verdicts where annotators did not see them",
        lambda of: of.right,
        lambda of: of.decided & of.blind,
    ),
    Quantity(
        UNDECIDED,
        "Undecided",
        "share of images that annotators cannot decide: unsure, or disputed",
        lambda of: convert_to_share(~of.decided),
        lambda of: np.ones_like(of.decided),
    ),
)
TITLES = {quantity.name: (quantity.title, quantity.meaning) for quantity in MEANS} | {
    ECE: ("Calibration error", "expected distance of P(generated) from the share of generated images, 10 bins")
}
