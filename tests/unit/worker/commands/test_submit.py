import json

import pytest

from pipeline.wire.events import ImageEventMessage
from worker.commands.submit import Submission


@pytest.mark.parametrize("etag", [None, "0123456789abcdef"])
def test_a_submission_is_an_event_of_ours_with_nothing_empty_in_it(etag):
    message = Submission("uploads", 'a "b"/ü?.png', etag).message
    event = ImageEventMessage.model_validate_json(message.value)
    assert (event.url, event.etag) == ('s3://uploads/a "b"/ü?.png', etag)
    assert message.key == 'uploads/a "b"/ü?.png'.encode()
    assert set(json.loads(message.value)) == {"schema_version", "url"} | ({"etag"} if etag else set())
