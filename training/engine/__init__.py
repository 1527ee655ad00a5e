"""The engine that answers an evaluation: whether it fits, its start, and answers that are kept."""
