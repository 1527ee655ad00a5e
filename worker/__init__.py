"""The worker: image events in from Kafka, verdicts out."""
