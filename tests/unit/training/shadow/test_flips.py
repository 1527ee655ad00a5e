import json
import sys
from pathlib import Path

from PIL import Image

from pipeline.verdict import Verdict
from tests.support.shadow_pools import CHALLENGER, CHAMPION, build_judged, build_pool
from training.shadow.flips import FlipCandidates, fetch_flips
from training.shadow.judged_events import join_events

CHAMPION_P = {"a": 0.1, "b": 0.2, "c": 0.9, "d": 0.8, "e": 0.1}
CHALLENGER_P = {"a": 0.6, "b": 0.9, "c": 0.1, "d": 0.9, "e": 0.2}
VERDICTS = [build_judged(name, p, revision=CHAMPION) for name, p in CHAMPION_P.items()]
CHALLENGER_VERDICTS = [build_judged(name, p, revision=CHALLENGER) for name, p in CHALLENGER_P.items()]
POOLS = (build_pool(*VERDICTS, topic="first"), build_pool(*CHALLENGER_VERDICTS, topic="second"))
JOINED = join_events(POOLS[0].judged, POOLS[1].judged)

# Writes what `zoomin tail` would: the verdicts of the ids it is asked for, and a card of each image but one.
TAIL = """
import argparse, json, pathlib, sys
from PIL import Image
parser = argparse.ArgumentParser()
for name in ("topic", "revision", "since", "save-cards"):
    parser.add_argument("--" + name)
parser.add_argument("--event", action="append")
parser.add_argument("--once", action="store_true")
parser.add_argument("--json", action="store_true")
args = parser.parse_args()
cards = pathlib.Path(args.save_cards)
cards.mkdir(parents=True)
for verdict in json.loads(pathlib.Path(sys.argv[0]).with_suffix(".json").read_text()):
    if verdict["model"]["revision"] == args.revision and verdict["event_id"] in args.event:
        print(json.dumps(verdict))
        if verdict["event_id"] != "b":
            Image.new("RGB", (9, 9), (1, 2, 3)).save(cards / (verdict["event_id"] + ".png"))
"""


def offer_all(each: int) -> FlipCandidates:
    candidates = FlipCandidates(each)
    for verdict in VERDICTS:
        row = POOLS[1].judged.find_row(verdict.event_id)
        assert row is not None
        candidates.offer(verdict, POOLS[1].judged, row)
    return candidates


def test_the_clearest_flips_of_each_direction_come_first() -> None:
    flips = offer_all(each=5).pick(*JOINED)
    assert [(flip.event_id, flip.to) for flip in flips if flip.to is Verdict.GENERATED] == [
        ("b", Verdict.GENERATED),
        ("a", Verdict.GENERATED),
    ]
    assert [(flip.event_id, flip.p_champion, flip.p_challenger) for flip in flips if flip.to is Verdict.REAL] == [
        ("c", 0.9, 0.1)
    ]
    assert [flip.event_id for flip in offer_all(each=1).pick(*JOINED)] == ["c", "b"]
    assert offer_all(each=0).pick(*JOINED) == []


def test_a_candidate_whose_later_verdict_agrees_is_no_flip() -> None:
    candidates = offer_all(each=5)
    later = build_pool(*VERDICTS, build_judged("b", 0.95, revision=CHAMPION, minute=5))
    flips = candidates.pick(*join_events(later.judged, POOLS[1].judged))
    assert [flip.event_id for flip in flips] == ["c", "a"]


def test_candidates_are_bounded() -> None:
    candidates = FlipCandidates(2)
    many = [build_judged(f"event-{number}", 0.1 + number / 1000) for number in range(100)]
    challenger = build_pool(*(build_judged(f"event-{number}", 0.9) for number in range(100))).judged
    for verdict in many:
        row = challenger.find_row(verdict.event_id)
        assert row is not None
        candidates.offer(verdict, challenger, row)
    assert [len(heap) for heap in candidates.heaps.values()] == [0, 8]
    assert [flip.event_id for flip in candidates.pick(build_pool(*many).judged, challenger)] == ["event-0", "event-1"]


def test_flips_are_shown_with_both_verdicts_and_the_cards_that_could_be_drawn(tmp_path: Path) -> None:
    program = tmp_path / "tail.py"
    program.write_text(TAIL)
    lines = [verdict.model_dump(mode="json") for verdict in (*VERDICTS, *CHALLENGER_VERDICTS)]
    program.with_suffix(".json").write_text(json.dumps(lines))
    flips = offer_all(each=5).pick(*JOINED)
    shown = fetch_flips(
        flips, POOLS, tmp_path / "cards", since=("2026-01-01", "2026-01-01"), program=[sys.executable, str(program)]
    )
    by_id = {one.flip.event_id: one for one in shown}
    assert set(by_id) == {"a", "b", "c"}
    assert (by_id["a"].champion.p_generated, by_id["a"].challenger.p_generated) == (0.1, 0.6)
    assert by_id["b"].cards == (None, None)
    assert all(isinstance(card, Image.Image) and card.size == (9, 9) for card in by_id["c"].cards)
    assert by_id["c"].describe() == {
        "event_id": "c",
        "image": "s3://uploads/a/photo.png",
        "to": "real",
        "p_champion": 0.9,
        "p_challenger": 0.1,
        "champion": "Crop 1 repeats its weave exactly.",
        "challenger": "Crop 1 repeats its weave exactly.",
    }


def test_without_flips_nothing_is_read(tmp_path: Path) -> None:
    assert fetch_flips([], POOLS, tmp_path, since=("", ""), program=["/no/such/program"]) == []
