"""The plugin of coverage: libraries run without a tracer, and code of ours with the one that was there."""

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.support import coverage_of_libraries, torch_warnings
from tests.support.coverage_of_libraries import coverage_init, pause_coverage, pause_coverage_in

MODULE = """
import sys
TRACER = sys.gettrace()
class Model:
    @classmethod
    def load(cls, *, size): return cls, size, sys.gettrace()
    @staticmethod
    def run(): return sys.gettrace()
    def ask(self): return self, sys.gettrace()
"""


def trace(frame: FrameType, event: str, arg: object) -> None:
    """Stand in for coverage's tracer."""


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(SourceFileLoader, "exec_module", SourceFileLoader.exec_module)
    coverage_init(None, None)
    tracer = sys.gettrace()
    sys.settrace(trace)
    yield
    sys.settrace(tracer)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_library.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_library", raising=False)
    return "a_library"


@pytest.mark.usefixtures("traced")
def test_a_library_is_imported_without_a_tracer_and_ours_with_it(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert importlib.import_module(library).TRACER is None
    assert sys.gettrace() is trace
    monkeypatch.delitem(sys.modules, library)
    monkeypatch.setattr(coverage_of_libraries, "OURS", frozenset({library}))
    assert importlib.import_module(library).TRACER is trace


@pytest.mark.usefixtures("traced")
def test_its_methods_of_each_kind_run_without_a_tracer(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_of_libraries, "UNMEASURED", {library: "Model.load"})
    module: Any = importlib.import_module(library)
    for path in ("Model.run", "Model.ask"):
        pause_coverage_in(module, path)
    model = module.Model()
    assert module.Model.load(size=1) == (module.Model, 1, None)
    assert module.Model.run() is None
    assert model.ask() == (model, None)
    assert sys.gettrace() is trace


@pytest.mark.usefixtures("traced")
def test_the_tracer_is_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        pause_coverage(lambda: 1 // 0)()
    assert sys.gettrace() is trace


@pytest.mark.parametrize(("module", "path"), coverage_of_libraries.UNMEASURED.items())
def test_every_method_that_is_not_measured_exists(module: str, path: str) -> None:
    torch_warnings.import_mkldnn()
    owner, _, name = path.partition(".")
    assert name in vars(getattr(importlib.import_module(module), owner))
