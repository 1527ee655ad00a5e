"""The size of a run: all measurements, or just enough for a first look. Every part has three repeats or more."""

from dataclasses import dataclass

PARTS = ("own", "gpu", "delivery", "memory", "engine", "plain", "reuse", "evaluation")
ON_ENGINES = frozenset({"engine", "plain", "reuse", "evaluation"})
WITHOUT_PICTURES = frozenset({"reuse", "evaluation"})
"""parts whose images the engines draw themselves"""


@dataclass(frozen=True, slots=True)
class Plan:
    """`memory_events` are running totals at which memory is read; the first one is the warm-up's end."""

    repeats: int
    own_events: int
    pace_s: float
    memory_events: tuple[int, int, int]
    engine_images: int
    plain_images: int
    reuse_images: int
    alone_images: int
    evaluated_images: int
    estimates_s: dict[str, float]

    @property
    def pictures(self) -> int:
        """How many different ones a worker may meet."""
        return max(self.memory_events[-1], 400 + self.repeats * max(self.own_events, int(60 * self.pace_s)))


FULL = Plan(
    repeats=3,
    own_events=900,
    pace_s=20,
    memory_events=(500, 2000, 5000),
    engine_images=120,
    plain_images=40,
    reuse_images=64,
    alone_images=16,
    evaluated_images=64,
    estimates_s={
        "prepare": 180,
        "own": 60,
        "gpu": 150,
        "delivery": 240,
        "memory": 300,
        "engine": 180,
        "plain": 80,
        "reuse": 160,
        "evaluation": 140,
    },
)
QUICK = Plan(
    repeats=3,
    own_events=200,
    pace_s=4,
    memory_events=(100, 200, 400),
    engine_images=64,
    plain_images=7,
    reuse_images=20,
    alone_images=4,
    evaluated_images=32,
    estimates_s={
        "prepare": 80,
        "own": 15,
        "gpu": 40,
        "delivery": 60,
        "memory": 30,
        "engine": 30,
        "plain": 20,
        "reuse": 25,
        "evaluation": 60,
    },
)
