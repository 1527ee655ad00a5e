"""Made evidence for the gate: sets of predictions by who is right on which images."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation.metrics import Prediction
from training.gate.accuracy_rows import OVERLAYS, PERTURBED
from training.gate.evidence import OWN, RANDOM, ModelEvidence, Passes
from training.gate.table import GatedModel, GateRow, GateTable, Interval, Limit, RowName, SetName

BOX = BoundingBox(0, 0, 40, 40)
MIB = 2**20


def build_predictions(rights: Sequence[bool], *, label: Verdict | None = None, source: str = "web") -> list[Prediction]:
    """Build sure predictions, right where `rights` says so; labels alternate unless one is named."""
    return [
        build_prediction(number, label or list(Verdict)[number % 2], right=right, source=source)
        for number, right in enumerate(rights)
    ]


def build_prediction(number: int, label: Verdict, *, right: bool, source: str = "web") -> Prediction:
    verdict = label if right else next(other for other in Verdict if other is not label)
    return Prediction(
        label,
        verdict,
        verdict,
        (BOX,),
        (BOX,),
        p_generated=0.9 if verdict is Verdict.GENERATED else 0.1,
        explanation="Tiles repeat.",
        reference="Tiles repeat.",
        source=source,
        file=f"{number}.png",
    )


def mark(images: int, *wrong: range) -> list[bool]:
    """Return the marks of a model that is right on all images but those of these ranges."""
    return [not any(number in each for each in wrong) for number in range(images)]


def change_scans(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return the predictions with the opposite verdict after Query 1, so that Query 2 changes each."""
    return [
        replace(p, scan_verdict=Verdict.REAL if p.check_verdict is Verdict.GENERATED else Verdict.GENERATED)
        for p in predictions
    ]


def build_passes(rights: Sequence[bool], *, source: str = "web") -> Passes:
    """Build every pass over a golden set; random boxes turn every third verdict wrong, Query 2 changes each."""
    own = change_scans(build_predictions(rights, source=source))
    random = change_scans(build_predictions([right and number % 3 > 0 for number, right in enumerate(rights)]))
    generated = [prediction for prediction in own if prediction.label is Verdict.GENERATED]
    return {
        OWN: own,
        RANDOM: random,
        **{row.value: own for row in PERTURBED},
        **dict.fromkeys(OVERLAYS, generated),
    }


def build_model(**rights: Sequence[bool]) -> ModelEvidence:
    """Build the evidence of a model over the sets `golden`, `base`, `new` from its marks."""
    names: list[SetName] = ["golden", "base", "new"]
    sets = {name: build_passes(rights[name]) for name in names if name in rights}
    return ModelEvidence(sets, [0.2, 0.3, 0.4], 300 * MIB)


def build_gate_table(*, passed: bool) -> GateTable:
    """Build a table of one row, which holds or does not."""
    model = GatedModel(name="zoomin-tiny", revision="sha256:" + "0" * 64, engine="vllm 0.31.0")
    row = GateRow(
        name=RowName.GOLDEN,
        demand="Acc falls by less than .04",
        limit=Limit(bound="above", value=-0.04),
        measured=Interval(value=0.11 if passed else -0.3, low=0.05 if passed else -0.4, high=0.2),
        images=150,
        result="passed" if passed else "failed",
        detail="" if passed else "<b>worse</b>",
    )
    return GateTable(
        champion=model,
        challenger=model,
        profile="demo",
        changed={},
        sets={},
        bootstrap_seed=0,
        draw_seed=0,
        made_at="2026-01-01T00:00:00Z",
        rows=[row],
        passed=passed,
    )
