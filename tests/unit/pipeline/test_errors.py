import pytest

from pipeline import errors
from pipeline.errors import (
    AccessDenied,
    BrokerUnavailable,
    FatalError,
    ImageDenied,
    MessageTooLarge,
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
        *((code, OutageError) for code in ("store_unavailable", "broker_unavailable", "message_too_large")),
        *((code, PoisonError) for code in ("malformed_event", "bucket_forbidden", "image_denied", "image_changed")),
        ("verdict_missing", PoisonError),
        *((code, PoisonError) for code in ("image_refused", "image_too_large", "image_undecodable", "engine_poison")),
        *(
            (code, PoisonError)
            for code in ("internal_fault", "bucket_unavailable", "image_archived", "image_encrypted")
        ),
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
    alone = StoreUnavailable("no answer").blame_event()
    assert isinstance(alone, PoisonError)
    assert (alone.code, alone.detail) == ("store_unavailable", "no answer (while others were served)")
    assert isinstance(AccessDenied("403").blame_event(), ImageDenied)


def test_a_bucket_that_refuses_all_while_others_serve_costs_its_own_events() -> None:
    for refusal in (StoreUnavailable("no answer"), AccessDenied("403")):
        outcast = refusal.blame_dependency()
        assert outcast is not None
        assert outcast.code == "bucket_unavailable"
        assert refusal.detail in outcast.detail


def test_a_topic_that_refuses_is_never_an_events_fault_but_its_size_may_be() -> None:
    assert BrokerUnavailable("not authorized").blame_event() is None
    large = MessageTooLarge("2 MB").blame_event()
    assert large is not None
    assert large.code == "message_too_large"
    assert MessageTooLarge("2 MB").blame_dependency() is None
