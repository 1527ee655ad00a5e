import logging

from worker.cli.stream import silence_kafka_logging


def test_what_the_client_logs_about_an_outage_does_not_reach_the_terminal():
    logging.getLogger("kafka").setLevel(logging.NOTSET)
    silence_kafka_logging()
    assert not logging.getLogger("kafka.conn").isEnabledFor(logging.ERROR)
