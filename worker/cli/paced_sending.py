"""Sending of a long stream of messages at a limited rate, with an account of those that are acknowledged."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from pipeline.errors import BrokerUnavailable
from worker.cli.sending import Label, RateLimiter
from worker.kafka.outgoing import OutgoingMessage


class MessageSender(Protocol[Label]):
    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        label: Label,
    ) -> None: ...

    def take_acknowledged(self) -> list[Label]: ...

    def finish(self) -> list[Label]: ...


def send_paced(
    sender: MessageSender[Label],
    topic: str,
    messages: Iterable[tuple[OutgoingMessage, Label]],
    *,
    limiter: RateLimiter,
    on_acknowledged: Callable[[list[Label]], None],
) -> None:
    """Send all messages and return when they are acknowledged.

    `on_acknowledged` gets the labels in the order of sending, after each message and also if an error or Ctrl-C ends
    the sending; the list may be empty.

    Raises: TopicMissing, BrokerUnavailable.
    """
    try:
        for message, label in messages:
            limiter.wait()
            sender.send(topic, key=message.key, value=message.value, headers=message.headers, label=label)
            on_acknowledged(sender.take_acknowledged())
        on_acknowledged(sender.finish())
    finally:
        with suppress(BrokerUnavailable):
            on_acknowledged(sender.take_acknowledged())
