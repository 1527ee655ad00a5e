"""One Kafka record as it came, before anyone has read it."""

from dataclasses import dataclass

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class RawRecord:
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def header(self, name: str) -> bytes | None:
        """The value of the last header of this name: the one added last wins."""
        return next((value for key, value in reversed(self.headers) if key == name), None)
