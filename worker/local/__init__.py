"""The local stack: real Kafka and real S3 as child processes."""
