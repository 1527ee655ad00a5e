"""The ledger's laws, for any order of reading, finishing and losing."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from worker.ledger import OffsetLedger, Position


def test_finished_prefix_is_committable_and_nothing_past_an_open_offset() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 10)
    first, second, third = (ledger.begin(0, offset) for offset in (10, 11, 12))

    assert ledger.finish(second)
    assert ledger.find_committable() == {}
    assert ledger.finish(first)
    assert ledger.find_committable() == {0: 12}
    assert ledger.finish(third)
    assert ledger.find_committable() == {0: 13}
    assert ledger.open_count == 0


def test_committed_offsets_are_not_offered_again() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 0)
    ledger.finish(ledger.begin(0, 0))
    ledger.note_commit({0: 1, 7: 3})
    assert ledger.find_committable() == {}


def test_span_counts_the_records_from_the_last_commit_to_the_newest_read() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 5)
    oldest = ledger.begin(0, 5)
    ledger.finish(ledger.begin(0, 6))
    ledger.begin(0, 9)
    assert ledger.measure_span(0) == 3
    ledger.finish(oldest)
    assert ledger.measure_span(0) == 3, "what is not committed is repeated"
    ledger.note_commit(ledger.find_committable())
    assert ledger.measure_span(0) == 1
    assert ledger.measure_span(1) == 0


def test_span_leaves_out_offsets_without_records() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 0)
    for offset in (0, 1000, 2000):
        ledger.begin(0, offset)
    assert ledger.measure_span(0) == 3
    idle = OffsetLedger()
    idle.assign(0, 0)
    idle.skip_gaps(0, 5000)
    assert idle.measure_span(0) == 0


def test_span_forgets_what_a_cut_log_held_behind_the_cut() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 0)
    for position in [ledger.begin(0, offset) for offset in range(100)]:
        ledger.finish(position)
    ledger.finish(ledger.begin(0, 50))
    ledger.note_commit(ledger.find_committable())
    assert ledger.measure_span(0) == 0


def test_results_of_a_lost_assignment_are_dropped() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 0)
    stale = ledger.begin(0, 0)
    ledger.revoke(0)
    assert not ledger.finish(stale)
    ledger.assign(0, 0)
    fresh = ledger.begin(0, 0)
    assert not ledger.finish(stale)
    assert ledger.find_committable() == {}
    assert ledger.finish(fresh)
    assert ledger.find_committable() == {0: 1}


def test_idle_position_closes_gaps_only_when_nothing_is_open() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 0)
    position = ledger.begin(0, 0)
    ledger.skip_gaps(0, 4)
    ledger.finish(position)
    assert ledger.find_committable() == {0: 1}
    ledger.skip_gaps(0, 4)
    assert ledger.find_committable() == {0: 4}
    ledger.skip_gaps(0, 2)
    assert ledger.find_committable() == {0: 4}
    ledger.skip_gaps(3, 2)
    assert ledger.measure_span(3) == 0


def test_position_may_become_known_after_the_assignment() -> None:
    ledger = OffsetLedger()
    ledger.assign(0)
    assert ledger.find_committable() == {}
    ledger.skip_gaps(0, 42)
    assert ledger.find_committable() == {0: 42}


def test_record_read_again_is_open_until_both_are_finished() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 5)
    twice = [ledger.begin(0, 5), ledger.begin(0, 5)]
    ledger.finish(twice[0])
    assert ledger.find_committable() == {}
    ledger.finish(twice[1])
    assert ledger.find_committable() == {0: 6}


def test_what_was_read_after_a_cut_is_committed_although_it_ends_where_the_last_commit_was() -> None:
    ledger = OffsetLedger()
    ledger.assign(0, 0)
    for offset in (0, 1):
        ledger.finish(ledger.begin(0, offset))
    ledger.note_commit({0: 2})
    ledger.finish(ledger.begin(0, 1))  # the log was cut at 1 and written anew
    assert ledger.find_committable() == {0: 2}


def test_reading_further_back_takes_the_committable_offset_back() -> None:
    """A topic that was deleted and made again starts at 0: its records are other ones."""
    ledger = OffsetLedger()
    ledger.assign(0, 90)
    old = ledger.begin(0, 90)
    new = ledger.begin(0, 0)
    ledger.finish(new)
    assert ledger.find_committable() == {0: 1}
    ledger.finish(old)
    assert ledger.find_committable() == {0: 1}


PARTITIONS = st.integers(0, 2)


class LedgerMachine(RuleBasedStateMachine):
    """Against a model that remembers every offset ever read under the present assignment."""

    begun = Bundle("begun")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = OffsetLedger()
        self.read: dict[int, list[int]] = {}
        self.open: dict[int, list[Position]] = {}
        self.committed: dict[int, int] = {}
        self.uncommitted: dict[int, list[int]] = {}

    @rule(partition=PARTITIONS, position=st.integers(0, 50))
    def assign(self, partition: int, position: int) -> None:
        self.ledger.assign(partition, position)
        self.read[partition] = [position - 1]
        self.open[partition] = []
        self.committed[partition] = position
        self.uncommitted[partition] = []

    @precondition(lambda self: self.read)
    @rule(partition=PARTITIONS)
    def revoke(self, partition: int) -> None:
        self.ledger.revoke(partition)
        self.read.pop(partition, None)
        self.open.pop(partition, None)

    @precondition(lambda self: self.read)
    @rule(target=begun, data=st.data(), gap=st.integers(-3, 3))
    def begin(self, data: st.DataObject, gap: int) -> Position:
        partition = data.draw(st.sampled_from(sorted(self.read)))
        offset = max(0, self.read[partition][-1] + 1 + gap)
        position = self.ledger.begin(partition, offset)
        self.read[partition].append(offset)
        self.open[partition].append(position)
        self.uncommitted[partition].append(offset)
        self.committed[partition] = min(self.committed[partition], offset)
        return position

    @rule(position=consumes(begun))
    def finish(self, position: Position) -> None:
        before = self.ledger.find_committable()
        live = position in self.open.get(position.partition, [])
        assert self.ledger.finish(position) is live
        if live:
            self.open[position.partition].remove(position)
        else:
            assert self.ledger.find_committable() == before

    @rule()
    def commit(self) -> None:
        self.committed |= self.ledger.find_committable()
        for partition, committed in self.ledger.find_committable().items():
            self.uncommitted[partition] = [o for o in self.uncommitted[partition] if o >= committed]
        self.ledger.note_commit(self.ledger.find_committable())
        assert self.ledger.find_committable() == {}

    @rule(partition=PARTITIONS, ahead=st.integers(0, 4))
    def idle(self, partition: int, ahead: int) -> None:
        if partition not in self.read:
            return
        position = self.read[partition][-1] + 1 + ahead
        self.ledger.skip_gaps(partition, position)
        if not self.open[partition]:
            self.read[partition].append(position - 1)

    @invariant()
    def never_past_an_open_offset_nor_what_was_read(self) -> None:
        for partition, offset in self.ledger.find_committable().items():
            assert all(offset <= position.offset for position in self.open[partition])
            assert offset <= self.read[partition][-1] + 1

    @invariant()
    def committed_prefix_is_behind_the_span(self) -> None:
        for partition, read in self.read.items():
            unfinished = [position.offset for position in self.open[partition]]
            floor = min([*unfinished, read[-1] + 1, self.committed[partition]])
            repeated = [offset for offset in self.uncommitted[partition] if floor <= offset <= read[-1]]
            assert self.ledger.measure_span(partition) == len(repeated)

    @invariant()
    def counts_what_is_open(self) -> None:
        assert self.ledger.open_count == sum(map(len, self.open.values()))


LedgerMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase
