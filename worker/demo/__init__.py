"""The steps of `zoomin demo`: scenes with a known truth, their verdicts, and the report."""
