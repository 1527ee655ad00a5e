"""Kafka clients of the worker: source of records, publisher, two deliveries, and workarounds."""
