from transformers import AutoTokenizer

from tests.support.paths import MODEL
from training.qwen import tokens


def test_each_special_token_and_each_coordinate_is_one_token_of_the_tiny_model() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    assert len(tokenizer) <= tokens.MAX_TINY_VOCABULARY
    for text in (*tokens.SPECIALS, *map(str, tokens.COORDINATES)):
        assert len(tokenizer.encode(text, add_special_tokens=False)) == 1


def test_coordinates_are_thousandths_from_edge_to_edge() -> None:
    assert (tokens.COORDINATES[0], tokens.COORDINATES[-1]) == (0, 1000)
