"""The length of rows in tokens, before they are rendered."""

from pipeline.checkpoint import CheckpointCard

QUERY_TOKENS = 250
"""of instructions, captions and template, rounded up"""
TOKEN_PX = 28 * 28


def count_picture_tokens(card: CheckpointCard, crops: int) -> int:
    """Return the tokens of a view and of so many crops, each as large as the card allows."""
    return card.scan_max_pixels // TOKEN_PX + crops * (card.crop_max_pixels // TOKEN_PX)


def count_row_tokens(card: CheckpointCard, crops: int, answer_tokens: int) -> int:
    """Return the tokens of a query with so many crops and its longest answer."""
    return QUERY_TOKENS + count_picture_tokens(card, crops) + answer_tokens
