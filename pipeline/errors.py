"""The error tree: errors are sorted by what the worker must do, and nothing else.

Adapters translate at the door: no exception of botocore, kafka or vllm goes further in than the file that imports it.
"""

import re


class ZoomInError(Exception):
    """An error with a code that others rest on: its class name in snake case.

    `detail` is one sentence for people, without query strings or secrets. `stage` and `attempts` are filled in by
    whoever ran the failing step.
    """

    stage: str | None = None
    attempts: int = 1

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def code(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class TransientError(ZoomInError):
    """This event had bad luck: a few tries, then a dead letter with this error's own code."""


class OutageError(ZoomInError):
    """A shared dependency is down: wait; the event is not to blame."""

    def alone(self) -> "PoisonError":
        """What this is once the dependency has served everyone but this one event."""
        return PersistentRefusal(self)


class PoisonError(ZoomInError):
    """This event can never succeed: a dead letter at once."""


class FatalError(ZoomInError):
    """This process can never succeed: stop, commit nothing more, exit non-zero."""


class ImageMissing(TransientError):
    """The object is not there (yet): uploads and their events may cross."""


class AnswerUnreadable(TransientError):
    """The model's text does not follow the grammar."""


class GenerationFailed(TransientError):
    """The engine refused or dropped this one request and lives."""


class InferenceTimeout(TransientError):
    """This query ran out of time."""


class StoreUnavailable(OutageError):
    """S3 does not answer, or answers that it cannot serve now."""


class AccessDenied(StoreUnavailable):
    """S3 says 403: to everyone if our credentials are bad, to one event if the object is not ours to read."""

    def alone(self) -> PoisonError:
        return ImageDenied(self.detail)


class BrokerUnavailable(OutageError):
    """Kafka does not acknowledge."""


class PersistentRefusal(PoisonError):
    """A dependency goes on refusing this one event while it serves others; the code is the refusal's own."""

    def __init__(self, refusal: OutageError) -> None:
        super().__init__(f"{refusal.detail} (while others were served)")
        self.refusal = refusal

    @property
    def code(self) -> str:
        return self.refusal.code


class MalformedEvent(PoisonError):
    """The record is none of the event shapes that we read."""


class BucketForbidden(PoisonError):
    """The event names a bucket that is not on the allow-list."""


class ImageDenied(PoisonError):
    """Access to this one object is denied while others are served."""


class ImageChanged(PoisonError):
    """The object's etag, version or digest is not the event's."""


class ImageRefused(PoisonError):
    """A format that we do not judge."""


class ImageTooLarge(PoisonError):
    """More bytes, pixels or memory than the settings allow."""


class ImageUndecodable(PoisonError):
    """Broken, cut short, or beyond what the decoder survives."""


class EnginePoison(PoisonError):
    """Asked alone, this event killed the engine again."""


class InternalFault(PoisonError):
    """An exception that we did not foresee: our bug, and one event pays."""


class EngineDead(FatalError):
    """The engine died more often than its budget of restarts allows."""


class StoreDenied(FatalError):
    """S3 refused our credentials at start, or we its certificate."""


class TopicMissing(FatalError):
    """A topic that the settings name does not exist."""


class BadSettings(FatalError):
    """Settings or checkpoint that cannot work; exit code 2."""


class DeadLetterFlood(FatalError):
    """Most recent events became dead letters by what may be our own fault."""


class LocalStackFailed(FatalError):
    """The local broker or S3 could not be fetched or did not come up."""
