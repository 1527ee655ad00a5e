"""The verdicts of the topic so far, read on from the file into which `zoomin tail` follows it."""

from pathlib import Path

from pipeline.wire.messages import VerdictEvent


class VerdictLog:
    """`read` returns all verdicts so far; each line is parsed once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_bytes = 0
        self._verdicts: list[VerdictEvent] = []

    def read(self) -> list[VerdictEvent]:
        with self._file.open("rb") as stream:
            stream.seek(self._read_bytes)
            whole, _, _ = stream.read().rpartition(b"\n")
        if whole:
            self._read_bytes += len(whole) + 1
            self._verdicts += map(VerdictEvent.model_validate_json, whole.splitlines())
        return self._verdicts
