from collections.abc import Iterator, Sequence

import pytest

from pipeline.errors import BrokerUnavailable
from worker.cli.paced_sending import send_paced
from worker.cli.sending import RateLimiter
from worker.kafka.outgoing import OutgoingMessage

HEADERS = (("content-type", b"application/json"),)


class FakeSender:
    """Acknowledges each record when the next one is sent; fails with the record of `fails_at`."""

    def __init__(self, fails_at: int = -1) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Sequence[tuple[str, bytes]]]] = []
        self.fails_at = fails_at
        self.open: list[int] = []
        self.acknowledged: list[int] = []

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        label: int,
    ) -> None:
        if label == self.fails_at:
            raise BrokerUnavailable("away")
        self.acknowledged, self.open = self.acknowledged + self.open, [label]
        self.sent.append((topic, key, value, headers))

    def take_acknowledged(self) -> list[int]:
        taken, self.acknowledged = self.acknowledged, []
        return taken

    def finish(self) -> list[int]:
        self.acknowledged, self.open = self.acknowledged + self.open, []
        return self.take_acknowledged()


def build_messages(count: int) -> Iterator[tuple[OutgoingMessage, int]]:
    for number in range(count):
        yield OutgoingMessage(b"key", str(number).encode(), HEADERS), number


def test_every_message_is_sent_whole_and_in_order_and_its_label_comes_back() -> None:
    sender, labels = FakeSender(), list[int]()
    send_paced(sender, "images", build_messages(5), limiter=RateLimiter(None), on_acknowledged=labels.extend)
    assert sender.sent == [("images", b"key", str(number).encode(), HEADERS) for number in range(5)]
    assert labels == [0, 1, 2, 3, 4]


def test_what_was_acknowledged_before_an_error_is_reported() -> None:
    labels: list[int] = []
    with pytest.raises(BrokerUnavailable):
        send_paced(
            FakeSender(fails_at=3), "t", build_messages(5), limiter=RateLimiter(None), on_acknowledged=labels.extend
        )
    assert labels == [0, 1]


def test_what_was_acknowledged_before_ctrl_c_is_reported() -> None:
    def interrupt_third() -> Iterator[tuple[OutgoingMessage, int]]:
        yield from build_messages(2)
        raise KeyboardInterrupt

    labels: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        send_paced(FakeSender(), "t", interrupt_third(), limiter=RateLimiter(None), on_acknowledged=labels.extend)
    assert labels == [0]


def test_the_limiter_waits_before_each_message() -> None:
    slept: list[float] = []
    limiter = RateLimiter(10, clock=lambda: 100.0, sleep=slept.append)
    send_paced(FakeSender(), "t", build_messages(3), limiter=limiter, on_acknowledged=lambda _labels: None)
    assert [round(seconds, 6) for seconds in slept] == [0.1, 0.2]
