"""Settings and retries, which every room of the worker uses."""
