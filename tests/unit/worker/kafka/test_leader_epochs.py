from worker.kafka.leader_epochs import MOST_ELECTIONS, UNKNOWN_EPOCH, LeaderEpochs


def build_epochs(*epochs: int) -> LeaderEpochs:
    """Note a record of partition 0 for each epoch, from offset 10."""
    noted = LeaderEpochs()
    for offset, epoch in enumerate(epochs, 10):
        noted.note(0, offset, epoch)
    return noted


def test_an_offset_has_the_epoch_of_the_record_before_it() -> None:
    epochs = build_epochs(3, 3, 5, 5)
    assert [epochs.find(0, offset) for offset in range(10, 16)] == [UNKNOWN_EPOCH, 3, 3, 5, 5, 5]
    assert epochs.find(1, 12) == UNKNOWN_EPOCH


def test_records_without_an_epoch_change_nothing() -> None:
    assert build_epochs(3, UNKNOWN_EPOCH).find(0, 12) == 3


def test_records_behind_a_cut_replace_those_before() -> None:
    epochs = build_epochs(3, 5, 7, 7)
    epochs.note(0, 11, 8)
    assert [epochs.find(0, offset) for offset in (11, 12, 14)] == [3, 8, 8]


def test_partitions_that_left_and_old_elections_are_forgotten() -> None:
    epochs = build_epochs(*range(2 * MOST_ELECTIONS))
    assert epochs.find(0, 10 + MOST_ELECTIONS) == UNKNOWN_EPOCH
    assert epochs.find(0, 10 + MOST_ELECTIONS + 1) == MOST_ELECTIONS
    epochs.keep_only({1})
    assert epochs.find(0, 1000) == UNKNOWN_EPOCH
