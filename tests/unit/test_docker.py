"""The Dockerfile is linted and compared with its sources; no image is built where the tests run."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from prometheus_client import CollectorRegistry

from tests.support.paths import ROOT
from worker.__main__ import VERBS
from worker.common.settings import Settings, build_environment_name
from worker.observe.health import HealthServer

COMES_WITH_VLLM = {"httpx", "openai", "psutil", "pyyaml"}  # dependencies of vLLM and of training
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TARGETS = ("cpu", "gpu")
TOOLS_FOR_BUILDING = {"build-essential", "g++", "make", "cmake", "git", "python3-dev", "uv"}


def read_instructions() -> list[tuple[str, str]]:
    """Return name and rest of each instruction, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = (line for line in text.replace("\\\n", " ").splitlines() if line)
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def read_stages() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of each stage, beginning with its FROM."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in read_instructions():
        if name == "FROM":
            found[rest.split()[-1]] = []
        if found:
            found[list(found)[-1]].append((name, rest))
    return found


def join_stages(stage: str) -> list[tuple[str, str]]:
    """Return the instructions of a stage after those of our stages that it is built from."""
    steps = read_stages()[stage]
    base = steps[0][1].split()[0]
    return (join_stages(base) if base in read_stages() else []) + steps


def list_sources(steps: list[tuple[str, str]]) -> list[str]:
    """Return the sources in the build context."""
    sources = [shlex.split(rest)[:-1] for name, rest in steps if name == "COPY" and not rest.startswith("--from=")]
    return [source for copy in sources for source in copy]


def read_pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


def read_exec_form(steps: list[tuple[str, str]], name: str) -> list[str]:
    """Return the exec form of the last such instruction; Docker ignores earlier ones."""
    last = [rest for instruction, rest in steps if instruction == name][-1]
    form: list[str] = json.loads(last[last.index("[") :])
    return form


def test_it_passes_the_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert linted.returncode == 0, linted.stdout


def test_both_targets_exist_and_the_cpu_is_the_default() -> None:
    assert set(TARGETS) < set(read_stages())
    assert list(read_stages())[-1] == "cpu"


def test_python_is_the_one_that_the_pins_are_made_for() -> None:
    python = dict(rest.split("=") for name, rest in read_instructions() if name == "ARG")["PYTHON"]
    assert f"--python-version {python} " in (ROOT / "Makefile").read_text()
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(python)
    bases = {rest.split()[0] for name, rest in read_instructions() if name == "FROM"} - set(read_stages())
    assert bases == {"python:${PYTHON}-slim-trixie"}


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = list_sources(read_instructions())
    assert set(sources) == let_in
    for source in sources:
        assert (ROOT / source).exists(), f"the Dockerfile copies {source}, which is not there"


def test_the_wheel_is_built_from_all_its_parts() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], *wheel}
    assert set(list_sources(read_stages()["wheel"])) == needed


@pytest.mark.parametrize("target", TARGETS)
def test_packages_come_before_our_code_so_that_their_layer_is_kept(target: str) -> None:
    assert list_sources(join_stages(f"packages-{target}")) == [f"requirements/serve-{target}.txt"]
    steps = [rest for name, rest in join_stages(target) if name in ("COPY", "RUN")]
    packages = steps.index(f"--from=packages-{target} /opt/zoomin /opt/zoomin")
    ours = next(i for i, step in enumerate(steps) if "from=wheel" in step)
    assert packages < ours == len(steps) - 1


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_as_nobody_special_and_stops_in_order(target: str) -> None:
    steps = join_stages(target)
    assert int([rest for name, rest in steps if name == "USER"][-1]) > 0  # a number: Kubernetes can see it is not root
    assert ("STOPSIGNAL", "SIGTERM") in steps
    assert [*read_exec_form(steps, "ENTRYPOINT"), *read_exec_form(steps, "CMD")] == ["zoomin", "run"]
    assert "zoomin" in PROJECT["project"]["scripts"]
    assert "run" in VERBS


@pytest.mark.parametrize("target", TARGETS)
def test_no_build_tools_are_in_the_image(target: str) -> None:
    words = {word for name, rest in join_stages(target) if name == "RUN" for word in rest.split()}
    assert not words & TOOLS_FOR_BUILDING
    assert ("gcc" in words) == (target == "gpu"), "Triton needs a compiler on GPUs"
    assert (("ENV", "TORCH_COMPILE_DISABLE=1") in join_stages(target)) == (target == "cpu"), (
        "torch would need one on CPUs"
    )


def test_its_variables_are_settings_and_keep_it_offline() -> None:
    words = {word for name, rest in join_stages("cpu") if name == "ENV" for word in rest.split()}
    assert "HF_HUB_OFFLINE=1" in words
    ours = {word.partition("=")[0] for word in words if word.startswith("ZOOMIN_")}
    assert ours == {build_environment_name("telemetry", "http_host"), build_environment_name("telemetry", "http_port")}
    port = Settings().telemetry.http_port
    assert f"{build_environment_name('telemetry', 'http_port')}={port}" in words
    assert ("EXPOSE", str(port)) in join_stages("cpu")


@pytest.mark.parametrize(("problem", "status"), [(None, 0), ("the engine is dead", 1)])
def test_the_health_check_follows_livez(problem: str | None, status: int) -> None:
    check = read_exec_form(join_stages("cpu"), "HEALTHCHECK")
    assert check[0] == "python"
    live, ready = (lambda: problem), (lambda: "not a member of the consumer group")
    with HealthServer("127.0.0.1", 0, live=live, ready=ready, registry=CollectorRegistry()) as server:
        environment = os.environ | {"ZOOMIN_TELEMETRY__HTTP_PORT": str(server.port)}
        checked = subprocess.run([sys.executable, *check[1:]], env=environment, timeout=60)
    assert checked.returncode == status


@pytest.mark.parametrize("target", TARGETS)
def test_the_pinned_set_is_what_serving_needs_and_nothing_else(target: str) -> None:
    pinned, extras = read_pins(f"serve-{target}.txt"), PROJECT["project"]["optional-dependencies"]
    for text in PROJECT["project"]["dependencies"] + extras[target]:
        needed = Requirement(text)
        assert needed.specifier.contains(pinned[canonicalize_name(needed.name)]), text
    not_served = {canonicalize_name(Requirement(text).name) for text in extras["local"] + extras["train"]}
    assert not (not_served - COMES_WITH_VLLM) & set(pinned)


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_runs_the_versions_that_were_tested(target: str) -> None:
    text = (ROOT / "requirements" / f"serve-{target}.txt").read_text()
    assert len(re.findall(r"^[a-z0-9.-]+==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)) == len(
        read_pins(f"serve-{target}.txt")
    )
    assert read_pins(f"serve-{target}.txt").items() <= read_pins(f"{target}.txt").items()
