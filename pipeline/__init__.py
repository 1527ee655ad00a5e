"""Defines a verdict: the two queries to the model, their answers, and the messages that carry them."""
