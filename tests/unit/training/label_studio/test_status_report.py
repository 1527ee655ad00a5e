import io
from datetime import timedelta

from rich.console import Console

from pipeline.wire.labels import LabelVerdict
from tests.support.labels import START, build_case, build_label
from tests.support.verdicts import build_verdict
from training.label_studio.annotations import RefusalReason
from training.label_studio.marks import Refusal
from training.label_studio.status import LabelStatus
from training.label_studio.status_report import convert_status, print_status
from training.labeling.adjudication import adjudicate
from training.labeling.bucket import Unreadable
from training.labeling.cases import AdjudicatedCase


def build_status() -> LabelStatus:
    status = LabelStatus()
    case = build_case(build_verdict(zoomed=[(1, 2, 30, 40)]))
    status.add(AdjudicatedCase(case, adjudicate([])))
    for _ in range(20):
        status.add(AdjudicatedCase(case, adjudicate([build_label(case, verdict=LabelVerdict.REAL, boxes=[])])))
    refusal = Refusal(
        reason=RefusalReason.NO_VERDICT,
        case_id="case-9",
        annotation=9,
        url="http://ls/projects/1/data?task=9",
        detail="x",
    )
    status.refused.append(refusal)
    status.unreadable.append(Unreadable("labels/odd.json", "not JSON"))
    return status


def test_json_has_every_count() -> None:
    printed = convert_status(build_status(), now=START + timedelta(days=2))
    assert printed["states"] == {"pending": 1, "agreed": 20, "disputed": 0, "unsure": 0}
    assert printed["queue"] == {"control": {"pending": 1, "disputed": 0, "oldest_days": 2.0}}
    assert printed["annotators"] == {
        "1": {"labels": 20, "median_seconds": 12.5, "real": 20, "generated": 0, "unsure": 0, "one_class": True}
    }
    assert printed["boxes_kept"] == {"value": 0.0, "low": 0.0, "high": 0.1179, "n": 20}
    assert printed["refused"] == {"no_verdict": 1}
    assert printed["kappa"] == {"value": None, "low": None, "high": None, "n": 0}


def test_tables_name_queue_annotators_and_what_is_unreadable() -> None:
    stream = io.StringIO()
    print_status(build_status(), Console(file=stream, width=160), now=START + timedelta(days=2))
    text = stream.getvalue()
    for expected in (
        "control  1        0         2.0 days",
        "labels one class alone",
        "boxes kept",
        "labels/odd.json",
        "data?task=9",
    ):
        assert expected in text
