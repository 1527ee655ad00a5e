"""Errors that only training meets, in the tree of `pipeline.errors`."""

from pipeline.errors import FatalError, OutageError, TransientError


class RateLimited(TransientError):
    """A model's endpoint has had enough of us for now, also after some waiting."""


class EndpointUnavailable(OutageError):
    """A model's endpoint does not answer, or answers that it cannot serve now."""


class EndpointDead(FatalError):
    """A model's endpoint failed so often in a row that asking on would be in vain."""


class TrainingFailed(FatalError):
    """A training run cannot go on; its last good checkpoint is there."""
