from pipeline.vllm.runtime import build_process_environment, is_cpu_build


def test_nothing_is_fetched_or_reported() -> None:
    environment = build_process_environment(3, {})
    assert (environment["HF_HUB_OFFLINE"], environment["VLLM_NO_USAGE_STATS"]) == ("1", "1")
    assert environment["OMP_NUM_THREADS"] == "3"


def test_only_the_cpu_build_is_run_in_the_cores_own_process() -> None:
    assert ("VLLM_ENABLE_V1_MULTIPROCESSING" in build_process_environment(1, {})) is is_cpu_build()


def test_what_the_user_has_set_stays_except_that_every_build_spawns_its_processes() -> None:
    given = {"OMP_NUM_THREADS": "7", "VLLM_WORKER_MULTIPROC_METHOD": "fork"}
    environment = given | build_process_environment(3, given)
    assert environment["OMP_NUM_THREADS"] == "7"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
