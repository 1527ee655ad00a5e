"""What a verdict is: the two queries, their answers, and the messages that carry them."""
