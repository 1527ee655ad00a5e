import pytest

from pipeline.jxl import library


def test_a_libjxl_of_other_structures_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    load = library.load_libjxl.__wrapped__
    load()
    monkeypatch.setattr(library, "VERSION", 12)
    with pytest.raises(ImportError, match=r"libjxl 0\.11 in imagecodecs; 0\.12 is read"):
        load()
