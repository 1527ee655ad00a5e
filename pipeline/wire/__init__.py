"""Defines the messages that cross the process boundary: image events in, verdicts and label cases out."""
