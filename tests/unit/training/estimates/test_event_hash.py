import numpy as np

from training.estimates.event_hash import hash_event


def test_ids_have_different_hashes_that_fit_64_bits_and_stay() -> None:
    hashes = np.array([hash_event(f"event-{number}") for number in range(2000)], np.uint64)
    assert len(np.unique(hashes)) == 2000
    assert hashes.max() > np.uint64(2**63)
    assert hash_event("event-1") == hash_event("event-1")
    assert hash_event("") != hash_event("\ud800")
