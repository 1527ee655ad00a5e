"""Records that Kafka takes and the client does not write: with neither key nor value, with headers without a value."""

from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.serializer import Serializer

MEBI = 1024 * 1024
NOTHING = bytes(bytearray(b"nothing"))  # one object of its own, told apart by identity
NO_VALUE = b"\x01"  # -1, as the wire has it

Headers = Sequence[tuple[str, bytes | None]]


def producer(bootstrap_servers: str) -> KafkaProducer:
    """`NOTHING` as a value is sent as none, also without a key."""
    return KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        max_request_size=2 * MEBI,
        linger_ms=5,
        value_serializer=_Nothing(),
    )


def written(headers: Headers) -> list[tuple[str, bytes]]:
    """Headers as the client is to be given them, so that the record on the wire has these.

    The client refuses None as a value. It is hidden from it: the name is followed by the length -1 though it says that
    it ends before, and the client's own length of the value begins one more header, also without a value.
    """
    out: list[tuple[str, bytes]] = []
    hidden = 0
    for name, value in headers:
        if value is None:
            out.append((_Name(name), _Claiming(b"also" + NO_VALUE, 4)))
            hidden += 1
        else:
            out.append((name, value))
    return _Longer(out, hidden) if hidden else out


class _Nothing(Serializer):
    def serialize(self, _topic: str, _headers: Headers, value: bytes) -> bytes | None:
        return None if value is NOTHING else value


class _Claiming(bytes):
    """Bytes that say they are as long as `claimed`."""

    claimed: int

    def __new__(cls, content: bytes, claimed: int) -> "_Claiming":
        made = super().__new__(cls, content)
        made.claimed = claimed
        return made

    def __len__(self) -> int:
        return self.claimed


class _Name(str):
    __slots__ = ()

    def encode(self, *_how: object) -> bytes:
        name = str.encode(self)
        return _Claiming(name + NO_VALUE, len(name))


class _Longer(list[tuple[str, bytes]]):
    def __init__(self, headers: list[tuple[str, bytes]], hidden: int) -> None:
        super().__init__(headers)
        self._hidden = hidden

    def __len__(self) -> int:
        return super().__len__() + self._hidden
