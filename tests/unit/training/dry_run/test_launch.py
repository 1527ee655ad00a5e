import pytest
import yaml

from tests.support.paths import ROOT
from training.dry_run import launch as launches
from training.dry_run.launch import Launch


def test_a_launcher_names_a_configuration_that_exists() -> None:
    for launch in (Launch(8), Launch(8, "sharded")):
        launcher = launch.build_launcher()
        file = ROOT / launcher[launcher.index("--config_file") + 1]
        assert yaml.safe_load(file.read_text())["num_processes"] == 8
        assert (yaml.safe_load(file.read_text())["distributed_type"] == "FSDP") == launch.sharded
    assert Launch(1).build_launcher() == ["zoomin-train"]


def test_other_numbers_of_gpus_are_told_to_the_launcher() -> None:
    assert "--num_processes 4" in " ".join(Launch(4, "sharded").build_launcher())
    assert "--num_processes" not in Launch(8).build_launcher()


def test_one_gpu_has_one_launch_and_several_have_two() -> None:
    assert launches.list_launches(1) == [Launch(1)]
    assert launches.list_launches(8) == [Launch(8), Launch(8, "sharded")]
    assert [launch.shards for launch in launches.list_launches(8)] == [1, 8]


def test_the_launch_of_a_launched_process_is_what_accelerate_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launches.read_launch() == Launch(1)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert launches.read_launch() == Launch(1, "sharded")
