import argparse
from pathlib import Path

from training.cli.image_sets import add_set_options, build_set_options
from training.paper.report_sets import SetOptions


def parse(*typed: str) -> SetOptions:
    parser = argparse.ArgumentParser()
    add_set_options(parser)
    return build_set_options(parser.parse_args([*typed]))


def test_without_options_held_out_scenes_are_the_only_set() -> None:
    sets = parse()
    assert (sets.data, sets.photographs, sets.benchmarks, sets.training_set) == (None, None, {}, None)
    assert (sets.count, sets.benchmark_count) == (400, 10_000)


def test_published_sets_are_known_by_their_names() -> None:
    sets = parse("--genimage", "published", "--trained-on", "set", "--count", "20")
    assert sets.benchmarks == {"genimage": Path("published")}
    assert (sets.training_set, sets.count) == (Path("set"), 20)
