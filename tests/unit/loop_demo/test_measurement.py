"""Verdicts are compared with the truth of the traffic, and whatever a swap breaks is found."""

import pytest

from tests.loop_demo import measurement
from tests.loop_demo.traffic import Kind
from tests.support.loop_events import FIRST, SECOND, answer_event, build_sent_event

SENT = [build_sent_event(number, Kind.NEW if number >= 20 else Kind.KNOWN) for number in range(60)]


def test_accuracy_counts_first_verdicts_of_a_kind() -> None:
    verdicts = [answer_event(event, is_right=event.number % 4 != 1) for event in SENT]
    again = [answer_event(event, revision=SECOND, second=100 + event.number) for event in SENT]
    judged = measurement.join(SENT, verdicts + again)
    assert len(judged) == 60
    assert measurement.compute_accuracy(judged) == 0.75
    assert measurement.compute_accuracy(judged, kind=Kind.NEW) == 0.75
    assert all(event.is_last_right for event in judged)
    assert measurement.compute_accuracy([]) is None


def test_a_curve_has_no_window_over_two_revisions() -> None:
    verdicts = [
        answer_event(event, revision=FIRST if event.number < 40 else SECOND, is_right=event.number >= 40)
        for event in SENT
    ]
    points = measurement.trace_curve(measurement.join(SENT, verdicts), Kind.NEW, window=14)
    assert [(point.number, point.accuracy, point.revision) for point in points] == [
        (26.5, 0.0, FIRST),
        (32.5, 0.0, FIRST),
        (46.5, 1.0, SECOND),
        (52.5, 1.0, SECOND),
    ]


def test_swaps_are_the_first_events_of_each_revision_in_turn() -> None:
    turns = [FIRST] * 20 + [SECOND] * 20 + [FIRST] * 20
    verdicts = [answer_event(event, revision=turn) for event, turn in zip(SENT, turns, strict=True)]
    judged = measurement.join(SENT, verdicts)
    assert measurement.find_swaps(judged) == [(0, FIRST), (20, SECOND), (40, FIRST)]


def test_a_clean_swap_leaves_nothing_to_report() -> None:
    verdicts = [answer_event(event, revision=FIRST if event.number < 30 else SECOND) for event in SENT]
    integrity = measurement.check_integrity(SENT, verdicts, champions=[FIRST, SECOND], rejudged=())
    assert integrity == measurement.Integrity((), ())


class TestFaultsAreFound:
    def check(self, verdicts: list[measurement.VerdictEvent], rejudged: tuple[str, ...] = ()) -> measurement.Integrity:
        return measurement.check_integrity(SENT, verdicts, champions=[FIRST, SECOND], rejudged=rejudged)

    def test_an_event_without_a_verdict(self) -> None:
        assert self.check([answer_event(event) for event in SENT[1:]]).lost == ("demo-000000",)

    def test_a_verdict_whose_id_belongs_to_another_revision(self) -> None:
        verdicts = [answer_event(event) for event in SENT]
        verdicts[5] = verdicts[5].model_copy(update={"verdict_id": answer_event(SENT[5], revision=SECOND).verdict_id})
        assert self.check(verdicts).mixed == ("demo-000005",)

    @pytest.mark.parametrize("was_meant", [True, False])
    def test_an_event_that_two_revisions_judged_unless_that_was_meant(self, was_meant: bool) -> None:
        verdicts = [answer_event(event) for event in SENT]
        verdicts.append(answer_event(SENT[3], revision=SECOND, second=99))
        assert self.check(verdicts, ("demo-000003",) if was_meant else ()).mixed == (
            () if was_meant else ("demo-000003",)
        )

    def test_a_revision_that_answers_after_its_turn(self) -> None:
        verdicts = [answer_event(event, revision=FIRST if event.number < 30 else SECOND) for event in SENT]
        verdicts[40] = answer_event(SENT[40], revision=FIRST)
        assert self.check(verdicts).mixed == ("demo-000040",)

    def test_a_revision_that_never_was_champion(self) -> None:
        verdicts = [answer_event(event) for event in SENT]
        verdicts[7] = answer_event(SENT[7], revision="sha256:" + "9" * 64)
        assert self.check(verdicts).mixed == ("demo-000007",)


def test_both_models_are_compared_on_the_events_that_were_judged_again() -> None:
    verdicts = [answer_event(event, revision=SECOND) for event in SENT]
    again = [answer_event(event, is_right=event.number % 4 > 1, second=100 + event.number) for event in SENT[20:40]]
    judged = measurement.join(SENT, verdicts + again)
    table = measurement.compare_models(judged, {event.event_id for event in SENT[20:40]})
    assert table == {Kind.NEW: {"events": 20, "first": 1.0, "last": 0.5}}


def test_silence_is_the_longest_time_between_two_verdicts() -> None:
    verdicts = [answer_event(event) for event in (SENT[0], SENT[1], SENT[9], SENT[11])]
    assert measurement.find_longest_silence_s(verdicts) == 8
    assert measurement.find_longest_silence_s(verdicts[:1]) == 0
