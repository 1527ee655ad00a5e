"""Defines the error tree: each kind of error names what the worker must do.

Adapters translate foreign errors: no exception of botocore, kafka or vllm leaves the file that imports the library.
"""

import re


class ZoomInError(Exception):
    """An error with a stable code: its class name in snake case, part of the dead-letter contract.

    `detail` is one sentence for operators, without query strings or secrets. The caller of the failing step sets
    `stage`, `attempts` and `index`, the position in its record of the entry that failed; empty if it holds no list.
    """

    stage: str | None = None
    attempts: int = 1
    index: str = ""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def code(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class TransientError(ZoomInError):
    """One attempt failed: a few more tries, then a dead letter with this error's own code."""


class OutageError(ZoomInError):
    """A shared dependency is down: wait; the event is not to blame."""

    def blame_event(self) -> "PoisonError | None":
        """Return the error of an event that is refused while the dependency serves all others; None: wait still."""
        return PersistentRefusal(self)

    def blame_dependency(self) -> "PoisonError | None":
        """Return the error of an event whose dependency refuses all events while its peers serve; None: wait still."""
        return None


class PoisonError(ZoomInError):
    """The event can never succeed: a dead letter at once."""


class FatalError(ZoomInError):
    """The process can never succeed: stop, commit nothing more, exit non-zero."""


class ImageMissing(TransientError):
    """The object does not exist (yet): an event may arrive before its upload is visible."""


class AnswerUnreadable(TransientError):
    """The model's text does not follow the grammar."""


class GenerationFailed(TransientError):
    """The engine refused or dropped this one request and goes on serving."""


class InferenceTimeout(TransientError):
    """The query ran out of time."""


class StoreUnavailable(OutageError):
    """S3 does not respond, or responds that it cannot serve now."""

    def blame_dependency(self) -> PoisonError | None:
        return BucketUnavailable(f"{self.detail} (while other buckets were served)")


class AccessDenied(StoreUnavailable):
    """S3 or its key service denies us an object: every one if a right is missing, or this one alone."""

    def blame_event(self) -> PoisonError | None:
        return ImageDenied(self.detail)


class BrokerUnavailable(OutageError):
    """Kafka does not acknowledge, or one of our topics refuses us; it is never the event's fault."""

    def blame_event(self) -> PoisonError | None:
        return None


class MessageTooLarge(OutageError):
    """A topic takes no message of this size: poison once it has taken others, until then the topic's fault."""


class PersistentRefusal(PoisonError):
    """A dependency keeps refusing this one event while it serves others; the code is that of the refusal."""

    def __init__(self, refusal: OutageError) -> None:
        super().__init__(f"{refusal.detail} (while others were served)")
        self.refusal = refusal

    @property
    def code(self) -> str:
        return self.refusal.code


class MalformedEvent(PoisonError):
    """The record has none of the event shapes that we read."""


class VerdictMissing(PoisonError):
    """The verdict topic holds no verdict of this event, as far back as it is read: replay once it has one."""


class BucketForbidden(PoisonError):
    """The event names a bucket that is not on the allow-list."""


class BucketUnavailable(PoisonError):
    """The bucket refuses every event while other buckets are served: replay once it serves again."""


class ImageDenied(PoisonError):
    """Access to this one object is denied while others are served."""


class ImageArchived(PoisonError):
    """The object lies in an archive (Glacier) and cannot be read until somebody restores it."""


class ImageEncrypted(PoisonError):
    """The object is encrypted with a key of its sender (SSE-C), which only the sender has."""


class ImageChanged(PoisonError):
    """The object's etag, version or digest differs from the event's."""


class ImageRefused(PoisonError):
    """The image has a format that we do not judge."""


class ImageTooLarge(PoisonError):
    """The image needs more bytes, pixels or memory than the settings allow."""


class ImageUndecodable(PoisonError):
    """The file is so broken that browsers show nothing of it, or it crashes the decoder."""


class EnginePoison(PoisonError):
    """The event killed the engine a second time, while no other event was in the engine."""


class InternalFault(PoisonError):
    """An unknown exception: a bug of ours, which costs this one event."""


class EngineDead(FatalError):
    """The engine died more often than its budget of restarts allows."""


class StoreDenied(FatalError):
    """At start, S3 refused our credentials or we refused its certificate."""


class TopicMissing(FatalError):
    """A topic that the settings name does not exist."""


class BadSettings(FatalError):
    """The settings or the checkpoint cannot work; exit code 2."""


class ChampionChanged(FatalError):
    """The champion of a model is another one than expected, or somebody else changed it first."""


class CacheFull(BadSettings):
    """A model does not fit into the cache of revisions, or on its disk, beside those in use; at the start exit 2."""


class DeadLetterFlood(FatalError):
    """Most recent events became dead letters with codes that may be our own fault."""


class LocalStackFailed(FatalError):
    """The local broker or S3 could not be downloaded or did not start."""


DECODING_ERRORS = (ImageRefused, ImageTooLarge, ImageUndecodable)
"""the errors that `pipeline.decoding.decode` raises; a decoder process reports them by their codes"""
