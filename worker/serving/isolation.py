"""Isolation of suspects: who may be in the engine together after the engine has died.

A query is a suspect if it was in the engine at a death, until it is answered. Suspects return in the order of their
events, and in three steps, each with less company:

1. as a probe: alone, and the engine generates one token only. It takes some 50 ms, so that hundreds are probed before a
   group could be answered, and most faults of an image show while the engine reads it;
2. in a group, at most a twelfth of all suspects at once;
3. alone.

A query in whose sole presence the engine dies a second time is poison. It explains the deaths: once all are probed,
those whose probe was answered return together. If the next death ends the worker, there are no probes, and the group
grows from one by one with each answer: the oldest events are answered first, so each life of a worker moves its group
forward.

Invariant: while suspects are left, nobody else is admitted but queries of events older than one of them.
"""

import asyncio
import math
from bisect import insort
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

GROUPS = 12
"""so few suspects that a group would be one query (23 and less) are asked alone at once, without probes"""
PROBING_S = 30.0
"""bounds step 1 for large models: those who were not probed by then go on with step 2"""


class Admission(Enum):
    """The company in which a query is asked."""

    TOGETHER = auto()
    IN_GROUP = auto()
    ALONE = auto()
    AS_PROBE = auto()
    """alone, for one token"""


SOLE = frozenset({Admission.ALONE, Admission.AS_PROBE})


@dataclass(slots=True, eq=False)
class Ticket:
    """The place of one query in the queue; `event` orders the queue."""

    event: str
    is_suspect: bool = False
    must_be_alone: bool = False
    is_probed: bool = False
    admission: asyncio.Future[Admission] = field(init=False)


class Isolation:
    """Admits queries: all together while there are no suspects."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: list[Ticket] = []
        self._inside: dict[Ticket, Admission] = {}
        self._suspects: set[Ticket] = set()
        self._is_open = True
        self._failure: BaseException | None = None
        self._found_poison = self._is_last_engine = False
        self._largest_group = self._places = 1
        self._probing_until = -math.inf

    @contextmanager
    def enroll(self, event: str) -> Iterator[Ticket]:
        """Yield the ticket of a query, which is valid until the query is answered or given up."""
        ticket = Ticket(event)
        try:
            yield ticket
        finally:
            self._suspects.discard(ticket)
            self._admit_soon()

    @asynccontextmanager
    async def admit(self, ticket: Ticket) -> AsyncIterator[Admission]:
        """Wait until the query may be asked. Raises: the error of `fail`."""
        try:
            admission = await self._wait_for_admission(ticket)
            while not self._is_open:  # the engine died before this task could go on
                del self._inside[ticket]
                admission = await self._wait_for_admission(ticket)
            if self._failure is not None:
                raise self._failure
            yield admission
        finally:
            if self._inside.pop(ticket, None) is None:  # cancelled before it was admitted
                self._waiting.remove(ticket)
            self._places = min(self._places + 1, self._largest_group)
            self._admit_soon()

    async def _wait_for_admission(self, ticket: Ticket) -> Admission:
        ticket.admission = asyncio.get_running_loop().create_future()
        insort(self._waiting, ticket, key=lambda waiting: waiting.event)
        self._admit_all()
        return await ticket.admission

    def blame(self, ticket: Ticket) -> bool:
        """Note that the engine died while this query was inside. Return True if the query is poison."""
        admission = self._inside[ticket]
        if ticket.is_suspect and admission in SOLE:
            self._found_poison = True
            return True
        if not self._suspects:
            self._found_poison = False  # that one explained earlier deaths
        ticket.is_suspect = True
        ticket.must_be_alone = ticket.must_be_alone or admission is Admission.IN_GROUP
        self._suspects.add(ticket)
        return False

    def close(self) -> None:
        """Admit nobody: the engine is dead."""
        self._is_open = False

    def open(self, *, is_last_engine: bool) -> int:
        """Admit again: a new engine serves, and its death ends the worker if it is the last. Return the suspects."""
        suspects = len(self._suspects | self._inside.keys())  # whoever is inside hears of the death any moment
        self._largest_group = max(1, suspects // GROUPS)
        self._places = 1 if is_last_engine else self._largest_group
        self._probing_until = self._clock() + PROBING_S if self._places > 1 else -math.inf
        self._is_last_engine = is_last_engine
        self._is_open = True
        self._admit_all()
        return suspects

    def fail(self, error: BaseException) -> None:
        """Raise this error to all who wait and to all who come: no engine will serve again."""
        self._failure = error
        self._is_open = True
        self._admit_all()

    def _clear_probed(self) -> None:
        for ticket in [ticket for ticket in self._suspects if ticket.is_probed]:
            ticket.is_suspect = ticket.must_be_alone = ticket.is_probed = False
            self._suspects.remove(ticket)

    def _admit_soon(self) -> None:
        """Admit after the current task has gone on: the next query of the same event comes first."""
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._admit_all)

    def _admit_all(self) -> None:
        while self._is_open and self._waiting and (choice := self._choose_next()):
            ticket, admission = choice
            self._waiting.remove(ticket)
            self._inside[ticket] = admission
            if not ticket.admission.done():  # else its task was cancelled, and leaves at once
                ticket.admission.set_result(admission)

    def _choose_next(self) -> tuple[Ticket, Admission] | None:
        """Return the next query that may enter now."""
        oldest = self._waiting[0]
        if not self._suspects or self._failure is not None:
            return oldest, Admission.TOGETHER
        if any(admission in SOLE for admission in self._inside.values()):
            return None
        unprobed = self._find_unprobed() if self._clock() < self._probing_until else None
        if unprobed is not None:
            return None if self._inside else (unprobed, Admission.AS_PROBE)
        if self._found_poison and not self._is_last_engine:
            self._clear_probed()
        if not self._suspects:
            return oldest, Admission.TOGETHER
        if self._suspects <= self._inside.keys():
            return None  # all who wait are younger than the last suspects
        alone = oldest.must_be_alone or self._largest_group == 1
        if len(self._inside) >= (1 if alone else self._places):
            return None
        return oldest, Admission.ALONE if alone else Admission.IN_GROUP

    def _find_unprobed(self) -> Ticket | None:
        return next((ticket for ticket in self._waiting if ticket.is_suspect and not ticket.is_probed), None)
