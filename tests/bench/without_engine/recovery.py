"""(k) Seconds until 80 % of the rate is back after a death of the engine with 384 events in flight, in virtual time."""

from structlog.testing import capture_logs

from tests.bench.run.ground import BenchFailed
from tests.bench.run.session import Session
from tests.support.recovery import IN_FLIGHT, measure_recovery
from tests.support.virtual_time import run_in_virtual_time

RESTART_S = 60.0
RESTARTS = 3
"""the default of ZOOMIN_ENGINE__RESTARTS"""
POISON_PLACES = ((), (0,), (IN_FLIGHT // 3,), (2 * IN_FLIGHT // 3,), (IN_FLIGHT - 1,))
"""none, and one poisonous event among the others, by age"""


def measure(session: Session) -> None:
    recovered_s = []
    for places in POISON_PLACES:
        session.progress.say(f"recovery: poison at {places or 'no place'} of {IN_FLIGHT}")
        with capture_logs():
            recovery = run_in_virtual_time(
                measure_recovery(restart_s=RESTART_S, restarts=RESTARTS, deadly_places=places)
            )
        if len(recovery.poison) != len(places) or recovery.unlucky:
            raise BenchFailed(f"poison at {places}, but dead letters for {recovery.poison + recovery.unlucky}")
        recovered_s.append(recovery.recovered_s)
    session.report.add("recovery_s_384", recovered_s)
