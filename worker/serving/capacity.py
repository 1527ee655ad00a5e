"""Decides how many processes and threads serve the events in flight, and how much memory these may hold."""

from dataclasses import dataclass

from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings
from pipeline.machine import count_cores, read_memory_bytes
from worker.common.sections import FlowSettings

MOST_DECODERS = 16
DECODERS_PER_ENCODER = 4
MOST_FETCH_THREADS = 64
MEMORY_SHARE = 8
BYTES_PER_PIXEL = 4
"""of a decoded image, a view and a crop: Pillow stores RGB in four bytes"""
PIXELS_LIMIT = "ZOOMIN_FLOW__MAX_PIXELS_IN_FLIGHT"


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    decoders: int
    encoders: int
    fetch_threads: int
    max_bytes_in_flight: int

    def limit_fetch_threads(self, max_image_bytes: int) -> int:
        """Return the number of threads for which there is room, each with one of the largest files.

        With more, the fetches of a bucket that hangs could hold all the room.
        """
        return max(1, min(self.fetch_threads, self.max_bytes_in_flight // max_image_bytes))


def plan_capacity(settings: FlowSettings) -> CapacityPlan:
    """Take what the settings say; where they are silent, what the cores and the memory of its container allow."""
    decoders = settings.decoders or min(count_cores(), MOST_DECODERS)
    return CapacityPlan(
        decoders=decoders,
        encoders=max(1, decoders // DECODERS_PER_ENCODER),
        fetch_threads=min(settings.max_in_flight, MOST_FETCH_THREADS),
        max_bytes_in_flight=settings.max_bytes_in_flight or _compute_share_bytes(),
    )


def plan_kept_pixels(settings: FlowSettings, card: CheckpointCard) -> int:
    """Return the pixels that decoders may keep: what views and crops of the events in flight leave of the limit.

    An event holds its view from decoding to its verdict, and its crops from Query 1 on. With the default card that is
    at most 512^2 + 8 x 336^2 = 1.17 megapixels or 4.7 MB an event: 224 MB for 48 events and 1.8 GB for 384. Without a
    setting the limit is an eighth of the memory, or what these views and crops need if that is more.

    Raises: BadSettings if the setting does not hold them.
    """
    needed = settings.max_in_flight * (card.scan_max_pixels + card.max_crops * card.crop_max_pixels)
    limit = settings.max_pixels_in_flight
    if limit is None:
        return max(0, _compute_share_bytes() // BYTES_PER_PIXEL - needed)
    if limit < needed:
        raise BadSettings(
            f"{PIXELS_LIMIT}={limit} does not hold the views and crops of {settings.max_in_flight} events, which have "
            f"up to {needed} pixels: raise it, lower ZOOMIN_FLOW__MAX_IN_FLIGHT, or leave it unset"
        )
    return limit - needed


def _compute_share_bytes() -> int:
    return read_memory_bytes() // MEMORY_SHARE
