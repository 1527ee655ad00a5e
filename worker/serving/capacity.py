"""Decides how many processes and threads serve the events in flight, and how much memory these may hold."""

from dataclasses import dataclass

from pipeline.machine import count_cores, read_memory_bytes
from worker.common.sections import FlowSettings

MOST_DECODERS = 16
DECODERS_PER_ENCODER = 4
MOST_FETCH_THREADS = 64
MEMORY_SHARE = 8
KEPT_BYTES_PER_PIXEL = 4


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    decoders: int
    encoders: int
    fetch_threads: int
    max_bytes_in_flight: int
    max_pixels_in_flight: int

    def limit_fetch_threads(self, max_image_bytes: int) -> int:
        """Return the number of threads for which there is room, each with one of the largest files.

        With more, the fetches of a bucket that hangs could hold all the room.
        """
        return max(1, min(self.fetch_threads, self.max_bytes_in_flight // max_image_bytes))


def plan_capacity(settings: FlowSettings) -> CapacityPlan:
    """Take what the settings say; where they are silent, what the cores and the memory of its container allow."""
    decoders = settings.decoders or min(count_cores(), MOST_DECODERS)
    share_bytes = read_memory_bytes() // MEMORY_SHARE
    return CapacityPlan(
        decoders=decoders,
        encoders=max(1, decoders // DECODERS_PER_ENCODER),
        fetch_threads=min(settings.max_in_flight, MOST_FETCH_THREADS),
        max_bytes_in_flight=settings.max_bytes_in_flight or share_bytes,
        max_pixels_in_flight=settings.max_pixels_in_flight or share_bytes // KEPT_BYTES_PER_PIXEL,
    )
