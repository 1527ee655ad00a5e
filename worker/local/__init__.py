"""The local stack: a real Kafka and a real S3 as child processes."""
