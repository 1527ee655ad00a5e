import pytest
import torch

from pipeline.errors import BadSettings
from training.runs import processes


@pytest.mark.parametrize(("count", "several"), [(7, 2), (8, 2), (1, 3), (0, 2)])
def test_all_get_equal_parts_of_what_is_to_be_done(count: int, several: int) -> None:
    shares = [processes.take_share(range(count), process, several) for process in range(several)]
    assert len({len(share) for share in shares}) == 1
    assert {number for share in shares for number in share} == set(range(count))
    assert sum(len(share) for share in shares) < count + several


def test_devices_take_a_step_s_rows_in_equal_parts() -> None:
    assert [processes.count_batches(32, at_once=4, devices=devices) for devices in (1, 2, 8)] == [8, 4, 1]
    with pytest.raises(BadSettings, match=r"32 rows cannot be shared by 3 devices with 4 at once: take --rows 36$"):
        processes.count_batches(32, at_once=4, devices=3)
    with pytest.raises(BadSettings, match=r"take --prompts 3$"):  # of 8 answers each: 24 rows
        processes.count_batches(16, at_once=4, devices=3, answers=8)
    with pytest.raises(BadSettings, match=r"take --rows 48, or --micro-batch 6$"):
        processes.count_batches(36, at_once=8, devices=6)


def test_who_was_started_alone_is_the_first_and_has_it_all() -> None:
    state = processes.join_processes()
    assert (state.is_main_process, state.num_processes) == (True, 1)
    assert processes.take_share([3, 1, 2], state.process_index, state.num_processes) == [3, 1, 2]


def test_the_clock_goes_on() -> None:
    assert 0 < processes.read_shared_clock() <= processes.read_shared_clock()


def test_a_process_alone_with_several_gpus_is_refused_before_it_loads_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    processes.refuse_unshared_gpus()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    with pytest.raises(BadSettings, match="sees 8 GPUs; start it with `accelerate launch"):
        processes.refuse_unshared_gpus()


@pytest.mark.parametrize(
    ("processes_in_all", "gpus", "share"),
    [(1, 0, 96), (1, 1, 96), (8, 8, 12), (16, 8, 12), (4, 0, 24), (200, 0, 1)],
)
def test_a_process_takes_its_share_of_the_machine_s_threads(processes_in_all: int, gpus: int, share: int) -> None:
    assert processes.compute_threads(96, processes=processes_in_all, gpus=gpus) == share


def test_a_process_alone_has_all_threads() -> None:
    before = torch.get_num_threads()
    try:
        processes.set_threads(2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_the_launcher_says_whether_weights_are_sharded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not processes.shards_weights()
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    assert processes.shards_weights()
