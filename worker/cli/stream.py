"""Silence of the Kafka client's own log, while a command reads a topic."""

import logging


def silence_kafka_logging() -> None:
    """Switch off the client's log on stderr, several lines a second in an outage; our commands report it themselves."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
