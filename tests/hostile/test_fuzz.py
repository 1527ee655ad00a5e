"""10,000 examples for each parser, grown from the corpus; `make hostile` goes on to a million."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.addresses import Ground
from tests.hostile.mutation import answer_surprise, answer_texts, event_surprise, event_texts, mutated

GROUND = Ground()
FUZZED = settings(
    max_examples=10_000, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
RECORDS, SAID = event_texts(GROUND), answer_texts()
SEEDS = st.integers(0, 2**64).map(random.Random)


@FUZZED
@given(rng=SEEDS)
def test_no_mutation_of_an_event_leads_out_of_our_bucket(rng: random.Random) -> None:
    text = mutated(rng.choice(RECORDS), rng.choice(RECORDS), rng)
    assert event_surprise(text, GROUND.addressing) is None, text


@FUZZED
@given(rng=SEEDS)
def test_no_mutation_of_an_answer_says_another_verdict_than_its_first(rng: random.Random) -> None:
    text = mutated(rng.choice(SAID), rng.choice(SAID), rng)
    assert answer_surprise(text, truncated=rng.random() < 0.5) is None, text
