"""The tools of whoever works on the code: one version each, one way to run them, and what `make test` prints."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from coverage import Coverage, CoverageData

from tests.support import scheduling
from tests.support.coverage_by_room import combine_data
from tests.support.coverage_by_room import sum_by_room as sum_coverage
from tests.support.paths import ROOT
from tests.support.timing import find_room
from tests.unit.test_docker import read_pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
pytest_plugins = ["pytester"]


def test_hooks_before_a_commit_run_the_tools_of_the_environment() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "a hook of another repository has a version of its own"
    for hook in repository["hooks"]:
        program, *words = hook["entry"].split()
        assert Path(program).parent == Path(".venv/bin")
        for file in (word for word in words if word.endswith(".py")):
            assert (ROOT / file).exists(), file
    checked = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert checked
    run_by_make = set(re.findall(r"\$\(BIN\)/(\S+)", checked[1]))
    assert run_by_make <= {Path(hook["entry"].split()[0]).name for hook in repository["hooks"]}


def test_the_workflow_runs_what_a_clone_must_pass_on_the_python_of_the_pins() -> None:
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    (python,) = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert f"--python-version {python} " in MAKEFILE
    assert job["steps"][-1]["run"] == ".ci/run"
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert job["timeout-minutes"] == 90


@pytest.mark.parametrize("tool", ["coverage", "mypy", "pytest", "pytest-xdist", "ruff"])
def test_tools_are_pinned_and_no_wheel_asks_for_them(tool: str) -> None:
    assert tool in read_pins("cpu.txt")
    assert any(re.match(rf"{tool}\b", text) for text in PROJECT["dependency-groups"]["dev"])
    assert "dev" not in PROJECT["project"]["optional-dependencies"]


@pytest.mark.parametrize("fixture", scheduling.TOGETHER)
def test_every_file_that_asks_for_what_starts_slowly_is_in_its_piece(fixture: str) -> None:
    files = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    asks = re.compile(rf"""\b{fixture}: |"{fixture}\"""")
    asking = {path.relative_to(ROOT).as_posix() for path in files if asks.search(path.read_text())}
    assert asking == scheduling.TOGETHER[fixture]
    assert {scheduling.find_group(f"{file}::test") for file in asking} == {fixture}


def test_pieces_with_a_time_exist_and_the_longest_comes_first() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    pieces = sorted({scheduling.find_group(file) for file in files}, key=scheduling.rank_group)
    first = pieces[: len(scheduling.SECONDS)]
    assert set(first) == scheduling.SECONDS.keys()
    assert [scheduling.SECONDS[piece] for piece in first] == sorted(scheduling.SECONDS.values(), reverse=True)
    assert pieces[-1].startswith("tests/unit/")


def test_a_run_closes_with_its_time_by_room_and_its_slowest_tests(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(**{"kitchen/test_meal": "def test_soup(): pass\ndef test_bread(): pass"})
    closed = pytester.runpytest_inprocess("-p", "tests.support.timing", "--times", "kitchen")
    closed.stdout.re_match_lines([r" +\d+\.\d s +2 tests  kitchen", r" +\d+\.\d s +2 tests  all.*", r".*::test_\w+"])


def test_long_pieces_are_printed_as_the_table_has_them(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest("import tests.support.timing as timing\ntiming.LONG_S = 0")
    pytester.makepyfile(**{"tests/chaos/test_meal": "def test_soup(): pass", "test_bread": "def test_bread(): pass"})
    closed = pytester.runpytest_inprocess("-p", "tests.support.timing", "--times")
    closed.stdout.re_match_lines_random([r"    \"tests/chaos\": 0,", r"    \"test_bread.py\": 0,"])


def test_a_test_belongs_to_the_folder_of_its_file() -> None:
    assert find_room("tests/unit/test_words.py::TestA::test_b[c/d::e]") == "tests/unit"


def test_coverage_of_a_room_counts_lines_and_branches_of_its_files() -> None:
    def report(lines: tuple[int, int], branches: tuple[int, int]) -> dict[str, dict[str, int]]:
        names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        return {"summary": dict(zip(names, lines + branches, strict=True))}

    rooms = sum_coverage(
        {
            "worker/kafka/a.py": report((3, 4), (1, 2)),
            "worker/kafka/b.py": report((2, 2), (0, 0)),
            "worker/c.py": report((0, 1), (0, 0)),
        }
    )
    assert {room: (share.covered, share.total) for room, share in rooms.items()} == {
        "worker": (0, 1),
        "worker/kafka": (6, 8),
    }
    assert rooms["worker/kafka"].percent == 75


def test_what_was_combined_before_stays(tmp_path: Path) -> None:
    for number in ("1", "2"):
        data = CoverageData(str(tmp_path / "data"), suffix=number)
        data.add_lines({f"/{number}.py": [1]})
        data.write()
        data.close()
        combined = combine_data(Coverage(data_file=str(tmp_path / "data"), data_suffix=True, config_file=False))
    assert combined.get_data().measured_files() == {"/1.py", "/2.py"}
    assert combine_data(combined).get_data().measured_files() == {"/1.py", "/2.py"}


def test_a_worker_of_pytest_that_is_killed_at_its_exit_has_saved_its_coverage(tmp_path: Path) -> None:
    (tmp_path / "measured.py").write_text("def double(number):\n    return 2 * number\n")
    (tmp_path / "test_it.py").write_text(
        "import atexit, os\nfrom measured import double\n\n"
        "def test_it():\n    assert double(2) == 4\n    atexit.register(os._exit, 0)\n"
    )
    data = tmp_path / "data"
    (tmp_path / "coveragerc").write_text(f"[run]\nparallel = true\npatch = subprocess\ndata_file = {data}\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTEST"))}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "coverage", "run", "--rcfile", "coveragerc", "-m", "pytest", "-n", "1"),
            *("-p", "tests.support.coverage_of_workers", "-p", "no:cacheprovider", "test_it.py"),
        ],
        cwd=tmp_path,
        env=clean | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    combined = combine_data(Coverage(data_file=str(data), data_suffix=True, config_file=False))
    assert combined.get_data().lines(str(tmp_path / "measured.py")) == [1, 2]
