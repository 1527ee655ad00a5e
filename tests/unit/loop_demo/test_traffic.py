"""The traffic is drawn from its numbers alone, so that its truth needs no file."""

from collections import Counter
from pathlib import Path

from pipeline.verdict import Verdict
from tests.loop_demo.plan import LoopDemoPlan
from tests.loop_demo.traffic import Kind, choose_kind, draw_event_scene, read_ledger
from tests.support.loop_events import build_sent_event
from training.synthetic.scenes import HELD_OUT_SEED

PLAN = LoopDemoPlan(Path("unused"), before=100)


def test_new_kinds_begin_at_the_moment_and_have_their_share() -> None:
    kinds = [choose_kind(number, PLAN) for number in range(100 + 320)]
    assert set(kinds[:100]) == {Kind.KNOWN}
    assert Counter(kinds[100:]) == {Kind.NEW: 240, Kind.KNOWN: 80}


def test_each_kind_is_half_real() -> None:
    for kind in Kind:
        numbers = [number for number in range(100, 420) if choose_kind(number, PLAN) is kind]
        labels = Counter(PLAN.seed + number & 1 for number in numbers)
        assert labels[0] == labels[1]


def test_a_scene_of_a_new_kind_differs_only_in_its_artifacts() -> None:
    first, second = (draw_event_scene(161, LoopDemoPlan(Path("unused"), before=before)) for before in (100, 1000))
    assert (choose_kind(161, PLAN), first.label) == (Kind.NEW, Verdict.GENERATED)
    assert first.boxes == second.boxes
    assert first.image.pixels != second.image.pixels


def test_no_other_command_draws_these_scenes() -> None:
    assert PLAN.seed >= HELD_OUT_SEED


def test_a_line_of_the_ledger_that_a_kill_cut_is_no_event(tmp_path: Path) -> None:
    ledger, event = tmp_path / "traffic.jsonl", build_sent_event(3)
    assert read_ledger(ledger) == []
    ledger.write_text(f"{event.model_dump_json()}\n{event.model_dump_json()[:20]}")
    assert read_ledger(ledger) == [event]
