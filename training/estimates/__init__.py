"""Estimates of a detector on live traffic: from labeled cases, and drift from its verdicts alone."""
