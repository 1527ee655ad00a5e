"""The comparison of the worker with the programs that a team would write instead."""
