import json

import pytest

from pipeline.errors import BadSettings
from pipeline.wire.events import ImageEventMessage
from worker.commands.submit import PrefixProgress, Submission, SubmitState


def test_a_state_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "state.json"
    state = SubmitState(
        prefixes={"s3://b/p": PrefixProgress(last_key="ü\n", events=3), "s3://b/q": PrefixProgress(finished=True)}
    )
    state.write(path)
    assert SubmitState.read(path) == state
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_no_file_is_an_empty_state(tmp_path):
    assert SubmitState.read(tmp_path / "none").prefixes == {}


@pytest.mark.parametrize("text", ["", "[]", '{"mine": 1}', '{"prefixes": {"a": {"last_key": 1}}}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path, text):
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(BadSettings, match="other"):
        SubmitState.read(path)


@pytest.mark.parametrize("etag", [None, "0123456789abcdef"])
def test_a_submission_is_an_event_of_ours_with_nothing_empty_in_it(etag):
    value = Submission("uploads", 'a "b"/ü?.png', etag).value
    event = ImageEventMessage.model_validate_json(value)
    assert (event.url, event.etag) == ('s3://uploads/a "b"/ü?.png', etag)
    assert set(json.loads(value)) == {"schema_version", "url"} | ({"etag"} if etag else set())
