"""The size of a run: all measurements, or just enough for a first look. Every part has three repeats or more."""

from collections.abc import Collection
from dataclasses import dataclass

PARTS = (
    "own",
    "photographs",
    "decoding",
    "gpu",
    "delivery",
    "memory",
    "recovery",
    "engine",
    "plain",
    "reuse",
    "evaluation",
    "peers",
)
ON_ENGINES = frozenset({"engine", "plain", "reuse", "evaluation"})
WITHOUT_PICTURES = frozenset({"decoding", "reuse", "evaluation", "recovery"})
"""parts without images, or whose images the engines draw themselves"""


PICTURES = 400
"""of any part: for warming up, and for windows that are a little longer than planned"""


@dataclass(frozen=True, slots=True)
class Plan:
    """`memory_events` are running totals at which memory is read; the first one is the warm-up's end."""

    repeats: int
    own_events: int
    photographs: int
    large_photographs: int
    held_photographs: int
    pace_s: float
    memory_events: tuple[int, int, int]
    engine_images: int
    plain_images: int
    reuse_images: int
    alone_images: int
    evaluated_images: int
    peer_repeats: int
    peer_images: int
    latency_images: int
    estimates_s: dict[str, float]

    def count_pictures(self, parts: Collection[str]) -> int:
        """How many different scenes of 512 px a worker may meet in these parts."""
        wanted = [PICTURES] if set(parts) - WITHOUT_PICTURES else [0]
        if "memory" in parts:
            wanted.append(self.memory_events[-1])
        if {"own", "gpu", "delivery"} & set(parts):
            wanted.append(PICTURES + self.repeats * max(self.own_events, int(60 * self.pace_s)))
        if {"engine", "plain"} & set(parts):
            wanted.append(PICTURES + self.repeats * (self.engine_images + self.plain_images))
        if "peers" in parts:
            wanted.append(PICTURES + self.peer_repeats * self.peer_images + 2 * self.latency_images)
        return max(wanted)


FULL = Plan(
    repeats=3,
    own_events=900,
    photographs=96,
    large_photographs=12,
    held_photographs=256,
    pace_s=20,
    memory_events=(500, 2000, 5000),
    engine_images=120,
    plain_images=40,
    reuse_images=64,
    alone_images=16,
    evaluated_images=64,
    peer_repeats=5,
    peer_images=160,
    latency_images=200,
    estimates_s={
        "prepare": 180,
        "own": 60,
        "photographs": 240,
        "decoding": 40,
        "gpu": 150,
        "delivery": 240,
        "memory": 300,
        "recovery": 20,
        "engine": 180,
        "plain": 80,
        "reuse": 160,
        "evaluation": 140,
        "peers": 420,
    },
)
QUICK = Plan(
    repeats=3,
    own_events=200,
    photographs=48,
    large_photographs=8,
    held_photographs=160,
    pace_s=4,
    memory_events=(100, 200, 400),
    engine_images=64,
    plain_images=7,
    reuse_images=20,
    alone_images=4,
    evaluated_images=32,
    peer_repeats=3,
    peer_images=80,
    latency_images=80,
    estimates_s={
        "prepare": 80,
        "own": 15,
        "photographs": 130,
        "decoding": 40,
        "gpu": 40,
        "delivery": 60,
        "memory": 30,
        "recovery": 20,
        "engine": 30,
        "plain": 20,
        "reuse": 25,
        "evaluation": 60,
        "peers": 240,
    },
)
