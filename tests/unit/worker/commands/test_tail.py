import argparse
import io

import pytest
from rich.console import Console

from pipeline.verdict import Status, Verdict
from tests.support.verdicts import build_verdict
from worker.commands import tail
from worker.commands.tail import VerdictFilter, follow_live
from worker.kafka.topic_reader import SILENCE_S


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        (VerdictFilter(), None),
        (VerdictFilter(verdict=Verdict.GENERATED), {"scan": "real", "check": "real"}),
        (VerdictFilter(corrected=True), {"scan": "generated"}),
        (VerdictFilter(uncertain=True), {"uncertain": False}),
        (VerdictFilter(status=Status.COMPLETE), {"zoomed": []}),
        (VerdictFilter(max_confidence=0.975), None),
        (VerdictFilter(source="web"), {"source": None}),
        (VerdictFilter(revision="sha256:" + "0123456789abcdef" * 4), None),
        (VerdictFilter(event_ids=frozenset({"event-1", "event-2"})), {"event_id": "event-10"}),
        (VerdictFilter(image=("uploads", "a/photo.png")), {"key": "a/photo.png2"}),
    ],
)
def test_each_condition_takes_one_and_leaves_the_other(wanted, other):
    usual = {"scan": "real", "check": "generated", "zoomed": [(0, 0, 5, 5)], "uncertain": True}
    assert build_verdict(**usual) in wanted
    if other is not None:
        assert build_verdict(**usual | other) not in wanted


def test_another_revision_is_left_out():
    assert build_verdict() not in VerdictFilter(revision="sha256:" + "0" * 64)


def test_max_confidence_leaves_out_the_surer():
    assert build_verdict() not in VerdictFilter(max_confidence=0.96)


@pytest.mark.parametrize(
    "arguments", [["--key", "uploads/a.png"], ["--key", "s3://uploads"], ["--max-confidence", "2"]]
)
def test_arguments_that_cannot_be_meant_are_refused(arguments, capsys):
    parser = argparse.ArgumentParser()
    tail.configure(parser)
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(arguments)
    assert exit_.value.code == 2
    assert arguments[0] in capsys.readouterr().err


class Silent:
    """A reader without records, whose broker answers or not as `answering` lists."""

    def __init__(self, answering):
        self.answering = iter(answering)
        self.now = 0.0

    def read_live(self):
        while True:
            self.now += SILENCE_S + 1
            yield None

    def is_reachable(self):
        try:
            return next(self.answering)
        except StopIteration:
            raise KeyboardInterrupt from None


def test_a_broker_that_goes_away_is_said_once_and_its_return_too():
    output = io.StringIO()
    reader = Silent([True, False, False, False, True, True])
    with pytest.raises(KeyboardInterrupt):
        next(follow_live(reader, Console(file=output), clock=lambda: reader.now))
    assert output.getvalue().splitlines() == ["No broker answers; waiting", "Kafka answers again"]
