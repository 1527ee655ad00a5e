import argparse

import pytest

from training.cli import answers


@pytest.mark.parametrize(("typed", "fresh"), [([], False), (["--fresh"], True)])
def test_what_is_kept_is_forgotten_where_that_is_asked_for(typed: list[str], fresh: bool) -> None:
    parser = argparse.ArgumentParser()
    answers.add_fresh(parser)
    assert parser.parse_args(typed).fresh is fresh
