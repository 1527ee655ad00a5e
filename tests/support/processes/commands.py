"""Verbs of `zoomin` inside a test, with settings of the test's own."""

import argparse
from types import ModuleType

from worker.common.settings import Settings


def run_command(module: ModuleType, *arguments: str, settings: Settings) -> int:
    parser = argparse.ArgumentParser()
    module.configure(parser)
    args = parser.parse_args(arguments)
    args.settings = lambda: settings
    return int(module.run(args))
