import pytest

from pipeline.errors import BadSettings, CacheFull, ImageMissing, StoreUnavailable
from worker.serving.refusal import ModelRefused, Refusal, refuse_for


@pytest.mark.parametrize("error", [BadSettings("no such card"), ImageMissing("no such card")])
def test_a_fault_of_the_revision_becomes_a_refusal_with_its_reason(error: Exception) -> None:
    with pytest.raises(ModelRefused, match="no such card") as caught, refuse_for(Refusal.CARD):
        raise error
    assert caught.value.reason is Refusal.CARD


def test_a_refusal_keeps_its_own_reason_and_an_outage_stays_one() -> None:
    with pytest.raises(ModelRefused) as caught, refuse_for(Refusal.CARD):
        raise ModelRefused(Refusal.FILES, "cut short")
    assert caught.value.reason is Refusal.FILES
    for outage in (StoreUnavailable("away"), CacheFull("no room")):
        with pytest.raises(type(outage)), refuse_for(Refusal.CARD):
            raise outage
