"""10,000 mutations for each parser, grown from the corpus; `make hostile` goes on to a million."""

import random
from collections.abc import Iterator

from tests.hostile.addresses import Ground
from tests.hostile.mutation import answer_surprise, answer_texts, event_surprise, event_texts, mutated

GROUND = Ground()
MUTATIONS = 10_000
RECORDS, SAID = event_texts(GROUND), answer_texts()


def seed_mutations() -> Iterator[random.Random]:
    """Yield the source of each mutation; it decides everything, so there is nothing that a failure could shrink."""
    return (random.Random(seed) for seed in range(MUTATIONS))


def test_no_mutation_of_an_event_leads_out_of_our_bucket() -> None:
    for rng in seed_mutations():
        text = mutated(rng.choice(RECORDS), rng.choice(RECORDS), rng)
        assert event_surprise(text, GROUND.addressing) is None, text


def test_no_mutation_of_an_answer_says_another_verdict_than_its_first() -> None:
    for rng in seed_mutations():
        text = mutated(rng.choice(SAID), rng.choice(SAID), rng)
        assert answer_surprise(text, truncated=rng.random() < 0.5) is None, text
