"""Errors of training alone, in the tree of `pipeline.errors`."""

from pipeline.errors import FatalError, OutageError, PoisonError, TransientError


class RateLimited(TransientError):
    """A model's endpoint still limits our rate after some waiting."""


class EndpointUnavailable(OutageError):
    """A model's endpoint does not answer, or cannot serve now."""


class EndpointDead(FatalError):
    """A model's endpoint failed too often in a row to be asked again."""


class TrainingFailed(FatalError):
    """A training run cannot continue; its last good checkpoint stays."""


class LabelStudioUnavailable(OutageError):
    """Label Studio does not answer, or cannot serve now."""


class LabelStudioRefusal(PoisonError):
    """Label Studio refuses one request and serves others."""


class LeaseHeld(OutageError):
    """Another process does the same work on the same bucket now."""
