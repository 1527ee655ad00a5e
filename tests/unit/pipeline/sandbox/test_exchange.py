import json

import pytest
from pydantic import ValidationError

from pipeline.sandbox.exchange import Reply

TRUE_REPLY = {
    "token": "0f",
    "width": 64,
    "height": 48,
    "format": "png",
    "frames": 3,
    "repaired": True,
    "frame": 2,
    "kept": True,
    "png_bytes": 0,
}


def test_a_reply_describes_its_image() -> None:
    reply = Reply.model_validate_json(json.dumps(TRUE_REPLY))
    assert (reply.size_px, reply.frames, reply.repaired, reply.frame, reply.error) == ((64, 48), 3, True, 2, None)
    refusal = Reply.model_validate_json('{"token": "0f", "error": "image_refused", "detail": "no image"}')
    assert (refusal.error, refusal.broken) == ("image_refused", False)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param("{", id="no JSON"),
        pytest.param("[" * 60_000, id="deep"),
        *(
            pytest.param(json.dumps({**TRUE_REPLY, **lie}), id=str(lie)[:40])
            for lie in (
                {"width": "64"},
                {"width": -64, "height": -48},
                {"width": 0},
                {"width": 64.0},
                {"height": True},
                {"frames": 0},
                {"frames": 2},
                {"frame": -1},
                {"repaired": 1},
                {"format": "x" * 99},
                {"format": None},
                {"png_bytes": -1},
                {"kept": 1},
                {"detail": "x" * 2000},
                {"surplus": 1},
                {"token": 1},
                {"broken": "no"},
                {"width": 10**4000},
            )
        ),
    ],
)
def test_what_is_no_reply_is_refused(reply: str) -> None:
    with pytest.raises(ValidationError):
        Reply.model_validate_json(reply)
