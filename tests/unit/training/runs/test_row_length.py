from pipeline.checkpoint import CheckpointCard
from training.runs import row_length


def test_a_row_holds_its_query_its_pictures_and_its_answer() -> None:
    card = CheckpointCard()
    assert row_length.count_picture_tokens(card, 2) == 334 + 2 * 144
    assert row_length.count_row_tokens(card, 2, 512) == row_length.QUERY_TOKENS + 334 + 2 * 144 + 512
