"""A lease on work that one process at a time may do on a bucket, held in an object there.

The holder rewrites the object every few seconds. Another process takes the lease over when it has watched the object
for `LEASE_S` and nobody rewrote it, so no two clocks are compared and a killed holder blocks nobody for long. Each
write is conditional: of two processes that take it over, one wins, and a holder that was overtaken notices.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ImageMissing, ZoomInError
from pipeline.storage.objects import StoredObject, create_object, read_object, replace_object
from training.errors import LeaseHeld

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEASE_S = 20.0
BEAT_S = 5.0
LOOK_S = 1.0
MAX_BYTES = 10_000


class _LeaseState(BaseModel):
    """The object; `beat` changes with each rewriting."""

    model_config = ConfigDict(frozen=True)
    holder: str
    host: str
    beat: int = 0
    released: bool = False


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """The object that holds a lease, and the words for the work that it is on: `labels push`."""

    client: "S3Client"
    bucket: str
    key: str
    work: str


@dataclass(slots=True)
class Lease:
    """A lease that this process holds as long as `check` does not raise."""

    place: LeasePlace
    clock: Callable[[], float]
    holder: str = field(default_factory=lambda: f"{os.getpid()}-{uuid4().hex}")
    _etag: str = ""
    _beat: int = 0
    _valid_until: float = 0.0
    _overtaken: bool = False

    def check(self) -> None:
        """Raise LeaseHeld if another process may have the lease by now; to be called before each write elsewhere."""
        if self._overtaken or self.clock() >= self._valid_until:
            raise LeaseHeld(
                f"another process took over {self.place.work}, as this one gave no sign for {LEASE_S:g} s; nothing is "
                "lost: run the same command again when it has ended"
            )

    def renew(self) -> None:
        """Rewrite the object; a failure of S3 leaves the lease as it is, until it runs out."""
        started = self.clock()
        with suppress(ZoomInError):
            if self._write(released=False, started=started):
                return
            self._overtaken = True

    def take(self, notify: Callable[[str], None], sleep: Callable[[float], None]) -> None:
        """Take the lease. Raises: LeaseHeld if its holder is alive; AccessDenied, StoreUnavailable, ImageMissing."""
        watched, watched_since = "", 0.0
        while True:
            started = self.clock()
            stored = self._read()
            if stored is None:
                place = self.place
                create_object(place.client, place.bucket, place.key, self._build_state(released=False))
                if self._accept(self._read(), started):
                    return
                continue
            state = _parse(stored)
            is_old = stored.etag == watched and started - watched_since >= LEASE_S
            if state is None or state.released or is_old:
                self._etag = stored.etag
                if self._write(released=False, started=started):
                    return
            elif watched and stored.etag != watched:
                raise LeaseHeld(
                    f"{self.place.work} is running on {state.host}; run the same command again when it has ended"
                )
            elif not watched:
                watched, watched_since = stored.etag, started
                work = self.place.work
                notify(f"{work} runs on {state.host}, or was killed there; looking for up to {LEASE_S:g} s")
            sleep(LOOK_S)

    def release(self) -> None:
        """Leave the lease to others at once; a failure leaves it to run out."""
        if not self._overtaken:
            with suppress(ZoomInError):
                self._write(released=True, started=self.clock())

    def _write(self, *, released: bool, started: float) -> bool:
        self._beat += 1
        place, state = self.place, self._build_state(released=released)
        replace_object(place.client, place.bucket, place.key, state, etag=self._etag)
        return self._accept(self._read(), started)

    def _accept(self, stored: StoredObject | None, started: float) -> bool:
        """Take note of the object if it is our own, also if S3 did not confirm the writing of it."""
        state = _parse(stored) if stored else None
        if stored is None or state is None or state.holder != self.holder:
            return False
        self._etag, self._valid_until = stored.etag, started + LEASE_S
        return True

    def _read(self) -> StoredObject | None:
        try:
            return read_object(self.place.client, self.place.bucket, self.place.key, max_bytes=MAX_BYTES)
        except ImageMissing:
            return None

    def _build_state(self, *, released: bool) -> bytes:
        state = _LeaseState(holder=self.holder, host=socket.gethostname(), beat=self._beat, released=released)
        return state.model_dump_json().encode()


@contextmanager
def hold_lease(
    place: LeasePlace,
    *,
    notify: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lease]:
    """Hold the lease until the block ends.

    Raises: LeaseHeld if another process has it; AccessDenied, StoreUnavailable, ImageMissing (no such bucket).
    """
    lease = Lease(place, clock)
    lease.take(notify, sleep)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(lease, ended), name=f"lease of {place.work}", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        ended.set()
        beating.join(LEASE_S)
        lease.release()


def _beat(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        lease.renew()


def _parse(stored: StoredObject) -> _LeaseState | None:
    try:
        return _LeaseState.model_validate_json(stored.body)
    except ValidationError:
        return None
