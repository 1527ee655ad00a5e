"""Steps of a rejudge: read the latest verdicts, find what was sent again already, and send what is due."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from pipeline.errors import BadSettings
from pipeline.wire.entries import Place
from pipeline.wire.events import EVENT_ID_HEADER
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.cli.latest_verdicts import LatestVerdicts
from worker.cli.paced_sending import send_paced
from worker.cli.progress import ProgressDisplay
from worker.cli.rejudging import ServingRevisions, build_rejudge_message, find_place, read_rejudged
from worker.cli.sending import RateLimiter, Sender
from worker.cli.state_file import StateFile
from worker.common.sections import KafkaSettings
from worker.kafka.outgoing import OutgoingMessage
from worker.kafka.topic_reader import MAX_CLOCK_SKEW, TopicReader

PROGRESS_INTERVAL_S = 10.0
UNREADABLE, UNSENDABLE = "unreadable", "unsendable"


class RejudgeState(BaseModel):
    """The content of the file that `--state` names: the last verdict of each partition whose event was sent."""

    model_config = ConfigDict(extra="forbid")
    format: int = 1
    revision: str
    verdict_topic: str
    positions: dict[int, int] = {}
    events: int = 0


@dataclass(frozen=True, slots=True)
class Rejudge:
    """What is asked for: events since a time whose verdict comes from `revision`, at most `limit` of them."""

    kafka: KafkaSettings
    revision: str
    since: datetime
    limit: int | None
    limiter: RateLimiter
    errors: Console
    passed: Counter[str] = field(default_factory=Counter)
    """verdicts that are passed over, by reason"""


def read_verdicts(rejudge: Rejudge, verdicts: LatestVerdicts) -> ServingRevisions:
    """Read the verdict topic to its present end. Raises: FatalError, TopicMissing."""
    serving, topic = ServingRevisions(), rejudge.kafka.verdict_topic

    def read(records: list[RawRecord]) -> Iterator[tuple[Place, VerdictEvent]]:
        for record in records:
            try:
                verdict = VerdictEvent.model_validate_json(record.value or b"")
            except ValidationError:
                rejudge.passed[UNREADABLE] += 1
                continue
            serving.add(verdict)
            yield find_place(record), verdict

    with _show_progress(rejudge) as display, TopicReader(rejudge.kafka, topic, since=rejudge.since) as reader:
        for batch in reader.read_stored_batches():
            verdicts.add(read(batch))
            display.update(f"{topic}: {serving.counts.total()} verdicts read")
    return serving


def mark_sent(rejudge: Rejudge, verdicts: LatestVerdicts) -> None:
    """Mark the events that an earlier run sent again, by the headers of the input topic. Raises: FatalError."""
    first = verdicts.count().first_decided_at
    if first is None:
        return
    topic, read = rejudge.kafka.input_topic, 0
    with (
        _show_progress(rejudge) as display,
        TopicReader(rejudge.kafka, topic, since=first - MAX_CLOCK_SKEW) as reader,
    ):
        for batch in reader.read_stored_batches():
            found = (read_rejudged(record) for record in batch)
            verdicts.mark_sent(each for each in found if each and each[1].topic == rejudge.kafka.verdict_topic)
            read += len(batch)
            display.update(f"{topic}: {read} records read")


def send_due(
    rejudge: Rejudge,
    verdicts: LatestVerdicts,
    state_file: StateFile[RejudgeState],
    *,
    total: int,
) -> int:
    """Send the events that are due and return how many were acknowledged; write the state however this ends."""
    state, events_before = state_file.state, state_file.state.events
    state_file.save()

    def note(acknowledged: list[Place]) -> None:
        for place in acknowledged:
            state.positions[place.partition] = place.offset
        state.events += len(acknowledged)
        sent = state.events - events_before
        display.update(f"{sent} of {total} events acknowledged", completed=sent)
        state_file.save_now_and_then()

    try:
        with (
            _show_progress(rejudge, total=total) as display,
            TopicReader(rejudge.kafka, rejudge.kafka.verdict_topic, since=rejudge.since) as reader,
            Sender[Place](rejudge.kafka) as sender,
        ):
            due = _find_due(rejudge, reader, verdicts, dict(state.positions))
            topic, messages = rejudge.kafka.input_topic, islice(due, rejudge.limit)
            send_paced(sender, topic, messages, limiter=rejudge.limiter, on_acknowledged=note)
    except BaseException:
        sentence = f"Stopped after {state.events - events_before} events; the same command goes on from there"
        rejudge.errors.print(sentence, style="yellow")
        raise
    finally:
        state_file.save()
    return state.events - events_before


def _find_due(
    rejudge: Rejudge, reader: TopicReader, verdicts: LatestVerdicts, positions: Mapping[int, int]
) -> Iterator[tuple[OutgoingMessage, Place]]:
    """Yield an event for each verdict that is due, in the order of the verdicts; `positions` are those of the state."""
    for record in reader.read_stored():
        place, event_id = find_place(record), (record.get_header(EVENT_ID_HEADER) or b"").decode(errors="replace")
        if place.offset <= positions.get(place.partition, -1) or not verdicts.is_due(event_id, place):
            continue
        try:
            yield build_rejudge_message(VerdictEvent.model_validate_json(record.value or b""), record), place
        except ValidationError:
            rejudge.passed[UNSENDABLE] += 1


def open_state(path: Path | None, rejudge: Rejudge) -> StateFile[RejudgeState]:
    """Open the file that `--state` names. Raises: BadSettings if it is about other verdicts."""
    empty = RejudgeState(revision=rejudge.revision, verdict_topic=rejudge.kafka.verdict_topic)
    state_file = StateFile(path, empty, command="zoomin rejudge")
    state = state_file.state
    if (state.revision, state.verdict_topic) != (empty.revision, empty.verdict_topic):
        raise BadSettings(
            f"{path} is about verdicts of {state.revision} on {state.verdict_topic}: name another --state file"
        )
    return state_file


def _show_progress(rejudge: Rejudge, *, total: int | None = None) -> ProgressDisplay:
    notify = partial(rejudge.errors.print, style="dim")
    return ProgressDisplay(rejudge.errors, notify, interval_s=PROGRESS_INTERVAL_S, total=total)
