"""One gate from top to bottom: the champion is asked, then the challenger, and the table follows."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.common import resampling
from training.engine.run import OnEngine, prepare_engine, run_on_engine
from training.evaluation import samples
from training.gate.demands import Demands, GateProfile, find_changed_demands
from training.gate.evidence import Evidence
from training.gate.judge import judge_challenger
from training.gate.predicting import AskedModel, ask_model
from training.gate.sets import GateSet, SetPlace, count_predictions, read_sets
from training.gate.table import GatedModel, GateTable, SetName
from training.reports.examples import CardPair, draw_pairs
from training.settings import TrainSettings
from training.shadow.demand import read_shadow_evidence


@dataclass(frozen=True, slots=True)
class GateRequest:
    """The sets that are judged, at most `count` images of each, and the demands with the profile that they change."""

    places: Mapping[SetName, SetPlace]
    count: int
    profile: GateProfile
    demands: Demands
    fresh: bool = False
    shadow: Path | None = None
    """the report of a shadow run"""


@dataclass(frozen=True, slots=True, eq=False)
class GateOutcome:
    """The table, and both models with the sets, for the cards of images on which they differ."""

    table: GateTable
    sets: Mapping[SetName, GateSet]
    champion: AskedModel
    challenger: AskedModel

    def draw_cards(self) -> dict[SetName, Sequence[CardPair]]:
        """Draw both cards of a few images of each set on which one model alone is right."""
        return {
            name: asyncio.run(
                draw_pairs(of_gate.samples, self.champion.get_compared(name), self.challenger.get_compared(name))
            )
            for name, of_gate in self.sets.items()
        }


def run_gate(
    champion: Checkpoint,
    challenger: Checkpoint,
    request: GateRequest,
    settings: TrainSettings,
    on_engine: OnEngine = run_on_engine,
) -> GateOutcome:
    """Ask both models, one engine after the other; answers of earlier gates are taken from the cache.

    Raises: BadSettings for a set that cannot be read or a model that does not fit; what the engine raises.
    """
    sets, demands = read_sets(request.places, request.count), request.demands
    revisions = {"champion": champion.revision, "challenger": challenger.revision}
    shadow = read_shadow_evidence(request.shadow, **revisions) if request.shadow else None
    setups = [(model, prepare_engine(model, settings, fresh=request.fresh)) for model in (champion, challenger)]
    count = count_predictions(sets, demands)
    print(f"the gate compares {count:,} predictions of each model", file=sys.stderr)
    asked = []
    for role, (model, setup) in zip(("champion", "challenger"), setups, strict=True):
        print(f"{role}: {model.name} {model.revision}", file=sys.stderr)
        asked.append(ask_model(model, sets, demands, setup, on_engine))
    theirs, ours = asked
    rows = judge_challenger(Evidence(theirs.evidence, ours.evidence, shadow), demands)
    table = GateTable(
        champion=_describe_model(theirs),
        challenger=_describe_model(ours),
        profile=request.profile,
        changed=find_changed_demands(request.profile, demands),
        sets={name: of_gate.describe() for name, of_gate in sets.items()},
        bootstrap_seed=resampling.SEED,
        draw_seed=samples.SEED,
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        rows=rows,
        passed=all(row.result != "failed" for row in rows),
    )
    return GateOutcome(table, sets, theirs, ours)


def _describe_model(asked: AskedModel) -> GatedModel:
    return GatedModel(name=asked.checkpoint.name, revision=asked.checkpoint.revision, engine=asked.version)
