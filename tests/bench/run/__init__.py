"""The harness of `make bench`: one run, its progress, its report and the processes that are measured."""
