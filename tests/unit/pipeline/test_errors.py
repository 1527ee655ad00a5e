import pytest

from pipeline import errors
from pipeline.errors import (
    AccessDenied,
    FatalError,
    ImageDenied,
    OutageError,
    PersistentRefusal,
    PoisonError,
    StoreUnavailable,
    TransientError,
    ZoomInError,
)

KINDS = (TransientError, OutageError, PoisonError, FatalError)


def list_concrete_errors() -> list[type[ZoomInError]]:
    found = (value for value in vars(errors).values() if isinstance(value, type))
    return [error for error in found if issubclass(error, ZoomInError) and error not in (ZoomInError, *KINDS)]


def test_every_error_says_by_its_kind_what_the_worker_must_do() -> None:
    assert len(list_concrete_errors()) > 20
    assert all(sum(issubclass(error, kind) for kind in KINDS) == 1 for error in list_concrete_errors())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, TransientError) for code in ("image_missing", "answer_unreadable", "generation_failed")),
        ("inference_timeout", TransientError),
        *((code, OutageError) for code in ("store_unavailable", "broker_unavailable")),
        *((code, PoisonError) for code in ("malformed_event", "bucket_forbidden", "image_denied", "image_changed")),
        *((code, PoisonError) for code in ("image_refused", "image_too_large", "image_undecodable", "engine_poison")),
        ("internal_fault", PoisonError),
        *((code, FatalError) for code in ("engine_dead", "store_denied", "topic_missing", "bad_settings")),
        ("dead_letter_flood", FatalError),
    ],
)
def test_codes_that_others_rest_on(code: str, kind: type[ZoomInError]) -> None:
    assert [
        error
        for error in list_concrete_errors()
        if error is not PersistentRefusal and error("").code == code and issubclass(error, kind)
    ]


def test_an_outage_that_one_event_alone_sees_is_its_own() -> None:
    alone = StoreUnavailable("no answer").convert_to_poison()
    assert isinstance(alone, PoisonError)
    assert (alone.code, alone.detail) == ("store_unavailable", "no answer (while others were served)")
    assert isinstance(AccessDenied("403").convert_to_poison(), ImageDenied)
