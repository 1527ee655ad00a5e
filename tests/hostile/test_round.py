"""A part of the corpus through a real worker; `make hostile` sends all of it."""

from pathlib import Path

import pytest

from tests.hostile import round as hostile
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site

EVERY = 12


@pytest.mark.timeout(600)
def test_every_answer_is_the_one_it_has_to_be(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path) -> None:
    report = hostile.run(Site(kafka, seaweedfs, tmp_path), seed=1, every=EVERY, say=print)
    assert report.surprises == []
    assert report.forbidden == []
    assert {"images", "events", "answers"} == report.counts.keys()
    assert report.outcomes["answers"]["answer_unreadable"] > 0
    assert report.outcomes["events"]["malformed_event"] > 0
    assert report.peak_mib > 0
