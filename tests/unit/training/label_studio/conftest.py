from collections.abc import Callable

import pytest

from pipeline.wire.labels import LabelCase
from tests.support.labeling_place import LabelingPlace
from tests.support.labels import build_case
from tests.support.verdicts import build_verdict

AddCases = Callable[..., list[LabelCase]]


@pytest.fixture
def place() -> LabelingPlace:
    return LabelingPlace()


@pytest.fixture
def add_cases(place: LabelingPlace) -> AddCases:
    """Return a function that puts cases of these names into the bucket, each with an image of its own."""

    def add(*names: str, reasons: tuple[str, ...] = ("control",), blind: bool = False) -> list[LabelCase]:
        cases = []
        for name in names:
            event = build_verdict(event_id=name, zoomed=[(10, 20, 60, 90)])
            digest = name.encode().hex().zfill(64)
            event = event.model_copy(update={"image": event.image.model_copy(update={"sha256": digest})})
            cases.append(place.put_case(build_case(event, reasons=reasons, blind=blind)))
        return cases

    return add
