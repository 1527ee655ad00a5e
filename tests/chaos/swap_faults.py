"""The faults of the model that serves: its pointer moves, its revisions are broken, its download or swap is cut off."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.chaos.champions import Champions
from tests.chaos.pool import Pool
from tests.chaos.schedule import Fault, Kind
from tests.chaos.store_front import DENIED, Front, store_front
from tests.support.processes.standin_worker import LOADING
from tests.support.processes.worker_process import WorkerProcess
from tests.support.servers.services import S3ForTests, eventually

FLAPS = 6
APART_S = 0.3
"""shorter than a worker looks at the pointer, waits, downloads and swaps"""
LOADS_WITHIN_S = 60.0
SERVES_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry of a round, the front through which its workers reach S3, and their settings for it."""

    champions: Champions
    front: Front
    settings: Mapping[str, str]


@contextmanager
def open_registry(store: S3ForTests, directory: Path, *, seed: int) -> Iterator[Registry]:
    champions = Champions(store, directory, seed=seed)
    with store_front(store.endpoint_url) as front:
        settings = {
            "ZOOMIN_STORE__ENDPOINT_URL": front.url,
            "ZOOMIN_ENGINE__MODEL": champions.address,
            "ZOOMIN_ENGINE__CACHE": str(directory / "cache"),
            "ZOOMIN_ENGINE__FOLLOW_S": "0.5",
            "ZOOMIN_ENGINE__FOLLOW_SPREAD_S": "0.5",
        }
        yield Registry(champions, front, settings)


def find_laggards(pool: Pool, registry: Registry | None) -> list[str]:
    """Wait until every worker serves the champion, and return a sentence on each that does not come to it."""
    if registry is None:
        return []
    champion = registry.champions.serving
    return [
        f"a worker does not serve the champion {champion}: {worker.log}"
        for worker in pool.members
        if not eventually(partial(_serves, worker, champion), within_s=SERVES_WITHIN_S)
    ]


def _serves(worker: WorkerProcess, revision: str) -> bool:
    lines = worker.get("/metrics").splitlines()
    return any(line.startswith("zoomin_model_info{") and f'"{revision}"' in line for line in lines)


@contextmanager
def swap_under_way(fault: Fault, pool: Pool, registry: Registry) -> Iterator[None]:
    champions = registry.champions
    match fault.kind:
        case Kind.POINTER_MOVED:
            champions.promote(champions.push())
            yield
        case Kind.POINTER_FLAPPED:
            _flap(champions)
            yield
        case Kind.REVISION_DAMAGED:
            damaged = champions.push()
            champions.damage(damaged)
            champions.promote(damaged)
            yield
            champions.roll_back()
        case Kind.SMOKE_FAILED:
            champions.promote(champions.push(is_fit=False))
            yield
            champions.roll_back()
        case Kind.REGISTRY_DENIED:
            revision = champions.push()
            folder = f"/{champions.bucket}/{champions.registry.build_file_key(revision, '')}"
            registry.front.refused = {folder: DENIED}
            champions.promote(revision)
            yield
            registry.front.refused = {}
        case Kind.KILLED_IN_SWAP:
            _promote_and_await_loading(pool, fault.victim, champions)
            pool.kill(fault.victim)
            yield
            pool.replace(fault.victim)
        case Kind.ROLLED_BACK:
            champions.promote(champions.push())
            yield
            champions.roll_back()


def _flap(champions: Champions) -> None:
    """End on the revision that was not there before."""
    old, new = champions.serving, champions.push()
    for number in range(FLAPS):
        champions.promote(old if number % 2 else new)
        time.sleep(APART_S)
    champions.promote(new)


def _promote_and_await_loading(pool: Pool, victim: int, champions: Champions) -> None:
    """Return in the middle of the victim's swap."""
    revision = champions.push()
    champions.promote(revision)

    def is_loading() -> bool:
        lines = pool.members[victim].read_log()
        return any(line["event"] == LOADING and line["revision"] == revision for line in lines)

    assert eventually(is_loading, within_s=LOADS_WITHIN_S), f"worker {victim} loads no {revision}"
