"""Verification gets topics that break each rule, one at a time, and names the broken rule."""

from dataclasses import replace

import pytest

from tests.chaos.verification import Answer, Commit, Sent, is_same_verdict, merge, verify

LIMIT_S = 60.0


def event(number: int, *, partition: int = 0, at_ms: int | None = None, **how: object) -> Sent:
    sent_at = 100 * number if at_ms is None else at_ms
    return Sent(f"e-{number}", (partition, number), sent_at, **how)  # type: ignore[arg-type]


def verdict(to: Sent, *, after_ms: int = 50, **said: object) -> Answer:
    fields = {"event_id": to.event_id, "verdict_id": f"v-{to.event_id}", "verdict": "real", "worker": "w1", **said}
    return Answer("verdict", to.place, to.at_ms + after_ms, fields)


def letter(to: Sent) -> Answer:
    return Answer("dead_letter", to.place, to.at_ms + 50, {"zoomin-dlt-code": "image_missing"})


SENT = [event(0), event(1), event(2, ends_as="dead_letter")]
ANSWERS = [verdict(SENT[0]), verdict(SENT[1]), letter(SENT[2])]
COMMITS = [Commit(0, 1, 60), Commit(0, 3, 900)]


def broken(sent: list[Sent], answers: list[Answer], commits: list[Commit]) -> list[str]:
    return verify(sent, answers, commits).broken(silence_limit_s=LIMIT_S)


def test_a_promise_that_was_kept() -> None:
    verification = verify(SENT, ANSWERS, COMMITS)
    assert verification.broken(silence_limit_s=LIMIT_S) == []
    assert (verification.sent, verification.verdicts, verification.dead_letters, verification.repeats) == (3, 2, 1, 0)


def test_what_either_of_two_groups_broke_is_broken_in_both_together() -> None:
    good, bad = verify(SENT, ANSWERS, COMMITS), verify([event(7, partition=1)], [letter(event(7, partition=1))], [])
    for merged in (merge(good, bad), merge(bad, good)):
        assert (merged.sent, merged.verdicts, merged.dead_letters) == (4, 2, 2)
        assert merged.wrong_answers == ("e-7",)
        assert merged.uncommitted == 1
        assert set(merged.longest_silence_s) == {0, 1}


def test_an_event_without_an_answer_is_lost() -> None:
    assert verify(SENT, ANSWERS[1:], []).lost == ("e-0",)
    assert broken(SENT, ANSWERS[1:], [Commit(0, 3, 10)])[0] == "1 events were never answered: e-0"


FIRST, SECOND = (f"sha256:{digit * 64}" for digit in "12")


def judged(to: Sent, model: str, *, scan: str, check: str | None, after_ms: int = 50) -> Answer:
    """A verdict of `model` whose explanations name the revisions that gave them."""
    parts = {
        "scan": {"explanation": f"It is 7, says {scan}."},
        "check": check and {"explanation": f"It is 7, says {check}."},
    }
    return verdict(to, after_ms=after_ms, model={"revision": model}, verdict_id=f"v-{to.event_id}-{model}", **parts)


@pytest.mark.parametrize(
    ("scan", "check"), [(FIRST, SECOND), (SECOND, FIRST), (SECOND, SECOND), (SECOND, None)], ids=str
)
def test_a_verdict_of_two_models_is_mixed(scan: str, check: str | None) -> None:
    mixed = [judged(SENT[0], FIRST, scan=scan, check=check), *ANSWERS[1:]]
    assert verify(SENT, mixed, COMMITS).mixed_revisions == ("e-0",)
    assert broken(SENT, mixed, COMMITS) == ["1 events were judged by two models at once: e-0"]
    both = merge(verify(SENT, mixed, COMMITS), verify(SENT, ANSWERS, COMMITS))
    assert both.mixed_revisions == ("e-0",)


@pytest.mark.parametrize("check", [FIRST, None], ids=str)
def test_a_verdict_of_one_model_is_not_mixed(check: str | None) -> None:
    assert broken(SENT, [judged(SENT[0], FIRST, scan=FIRST, check=check), *ANSWERS[1:]], COMMITS) == []


def test_another_model_may_judge_an_event_again_and_otherwise_and_the_same_one_may_not() -> None:
    once = judged(SENT[0], FIRST, scan=FIRST, check=FIRST)
    again = judged(SENT[0], SECOND, scan=SECOND, check=SECOND, after_ms=700)
    assert broken(SENT, [once, again, *ANSWERS[1:]], COMMITS) == []
    otherwise = replace(again, said={**again.said, "verdict": "generated"})
    assert verify(SENT, [once, again, otherwise, *ANSWERS[1:]], COMMITS).unequal_repeats == ("e-0",)


def test_a_repeat_is_counted_and_may_differ_in_time_and_worker() -> None:
    again = verdict(SENT[0], after_ms=700, worker="w2", timing_s={"total": 2}, decided_at="later")
    verification = verify(SENT, [*ANSWERS, again], COMMITS)
    assert (verification.repeats, verification.unequal_repeats) == (1, ())
    assert verification.broken(silence_limit_s=LIMIT_S) == []


@pytest.mark.parametrize("said", [{"verdict_id": "other"}, {"verdict": "generated"}, {"extra": None}])
def test_a_repeat_that_says_something_else_is_named(said: dict[str, object]) -> None:
    answers = [*ANSWERS, verdict(SENT[0], after_ms=700, **said)]
    assert broken(SENT, answers, COMMITS) == ["1 events got verdicts that differ: e-0"]


@pytest.mark.parametrize(
    ("said", "unequal"),
    [
        ({"p_generated": 0.719, "explanation": "in other words"}, ()),
        ({"p_generated": 0.721}, ("e-0",)),
        ({"p_generated": 0.70, "verdict_id": "other"}, ("e-0",)),
    ],
)
def test_a_real_engines_repeat_is_the_same_judgement_with_nearly_the_same_probability(
    said: dict[str, object], unequal: tuple[str, ...]
) -> None:
    answers = [verdict(SENT[0], p_generated=0.70), *ANSWERS[1:], verdict(SENT[0], after_ms=700, **said)]
    assert verify(SENT, answers, COMMITS, alike=is_same_verdict).unequal_repeats == unequal


def test_a_real_engines_repeats_are_held_against_each_other() -> None:
    answers = [verdict(SENT[0], after_ms=50 + n, p_generated=0.70 + 0.015 * n) for n in range(3)] + ANSWERS[1:]
    assert verify(SENT, answers, COMMITS, alike=is_same_verdict).unequal_repeats == ("e-0",)


def test_a_healthy_event_in_the_dead_letters_is_named() -> None:
    assert broken(SENT, [letter(SENT[0]), *ANSWERS[1:]], COMMITS) == ["1 events ended as they must not: e-0"]


def test_a_verdict_on_what_cannot_be_judged_is_named() -> None:
    assert broken(SENT, [*ANSWERS[:2], verdict(SENT[2])], COMMITS) == ["1 events ended as they must not: e-2"]


def test_a_verdict_under_another_id_is_named() -> None:
    answers = [verdict(SENT[0], event_id="e-1"), *ANSWERS[1:]]
    assert broken(SENT, answers, COMMITS) == ["1 events ended as they must not: e-0"]


def test_a_letter_and_a_verdict_for_one_event_are_a_repeat_that_ends_wrongly() -> None:
    verification = verify(SENT, [*ANSWERS, letter(SENT[0])], COMMITS)
    assert (verification.repeats, verification.wrong_answers) == (1, ("e-0",))


def test_a_repeat_is_named_where_each_answer_was_to_come_once() -> None:
    verification = verify(SENT, [*ANSWERS, ANSWERS[0]], COMMITS)
    assert verification.broken(silence_limit_s=LIMIT_S) == []
    assert verification.broken(silence_limit_s=LIMIT_S, may_repeat=False) == [
        "1 answers were repeated though each was to come exactly once"
    ]


def test_an_answer_to_nothing_is_a_stranger() -> None:
    answers = [*ANSWERS, verdict(event(77))]
    assert broken(SENT, answers, COMMITS) == ["1 answers belong to nothing that was sent"]


@pytest.mark.parametrize("early_ms", [0, 49])
def test_a_commit_beyond_an_answer_that_came_later_is_found_though_all_is_answered_in_the_end(early_ms: int) -> None:
    commits = [Commit(0, 1, early_ms), Commit(0, 3, 900)]
    assert broken(SENT, ANSWERS, commits) == ["1 records were passed by a commit before they were answered"]


def test_a_commit_that_went_back_does_not_hide_the_one_before() -> None:
    commits = [Commit(0, 3, 10), Commit(0, 0, 20), Commit(0, 3, 900)]
    assert verify(SENT, ANSWERS, commits).offsets_beyond_unanswered == 3


def test_commits_of_another_partition_pass_nothing() -> None:
    verification = verify(SENT, ANSWERS, [*COMMITS, Commit(1, 50, 0)])
    assert verification.offsets_beyond_unanswered == 0


def test_what_was_never_answered_is_passed_by_any_commit_beyond() -> None:
    assert verify(SENT, ANSWERS[1:], COMMITS).offsets_beyond_unanswered == 1


@pytest.mark.parametrize(
    ("commits", "left"), [([], 3), ([Commit(0, 1, 60)], 2), ([Commit(0, 3, 900), Commit(0, 2, 901)], 1)]
)
def test_what_is_not_committed_in_the_end_is_counted(commits: list[Commit], left: int) -> None:
    assert broken(SENT, ANSWERS, commits) == [f"{left} records were not committed in the end"]


def test_silence_counts_only_while_something_waits() -> None:
    sent = [event(0, at_ms=0), event(1, at_ms=100_000), event(2, at_ms=100_100)]
    answers = [verdict(sent[0], after_ms=500), verdict(sent[1], after_ms=2000), verdict(sent[2], after_ms=9000)]
    assert verify(sent, answers, []).longest_silence_s == {0: 7.1}


def test_each_partition_has_a_silence_of_its_own_and_a_limit() -> None:
    far = [replace(e, place=(1, e.place[1])) for e in SENT]
    late = [verdict(far[0], after_ms=61_000), verdict(far[1], after_ms=61_000), letter(far[2])]
    verification = verify([*SENT, *far], [*ANSWERS, *late], [*COMMITS, Commit(1, 3, 99_000)])
    assert verification.longest_silence_s[0] == pytest.approx(0.05)
    assert verification.broken(silence_limit_s=60) == ["partitions were silent too long: {1: '61 s'}"]
