"""GRPO in the two stages of the paper."""
