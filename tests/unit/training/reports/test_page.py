import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from pipeline.verdict import Verdict
from training.reports import page as report
from training.reports.examples import Example, Tile
from training.reports.page import Pictures

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"
FIGURE = {"value": 0.9384, "low": 0.5, "high": 1.0, "n": 8}
NONE = {"value": None, "low": None, "high": None, "n": 0}
PAPER = "paper.html.jinja"
COLUMNS = ("acc", "i_acc", "c_acc", "c_cases", "bleu1", "bleu2", "rouge_l", "iou")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


RECORDED = {
    "commit": "abcdef0123456789",
    "seed": 3,
    "date": "2026-01-01",
    "phases": ["SFT", "GRPO"],
    "unparsed": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8},
}


def row(variant: str, state: str, **more: object) -> dict[str, object]:
    paper = {"7B": dict.fromkeys(COLUMNS, 0.123), "32B": dict.fromkeys(COLUMNS)}
    metric = FIGURE if state == "live" else None
    return {
        "variant": variant,
        "title": variant,
        "state": state,
        "paper": paper,
        **dict.fromkeys(COLUMNS, metric),
        **more,
    }


def ask_detector(name: str) -> dict[str, object]:
    """Return the row of another detector in table 2 or 3."""
    figures = dict.fromkeys(("acc", "iou", "acc_drop", "iou_drop", "acc_formats_usual", "acc_formats_swapped"), FIGURE)
    more = {"iou_formats_swapped": None, "format_effect": FIGURE, "paper": None, "images": 8, "unanswered": 1}
    return {"detector": name, **figures, **more}


def numbers(evil: str = "Scenes") -> dict[str, object]:
    """Build a small report of the shape that `paper-tables` makes, with one name that a sender may choose."""
    columns = ("acc", "iou", "acc_drop", "iou_drop", "acc_formats_usual", "acc_formats_swapped", "format_effect")
    degraded = dict.fromkeys(columns, FIGURE)
    boxes = [
        {"boxes": "0", "images": 0, "share": 0.0, "acc": NONE, "i_acc": NONE},
        {"boxes": "1", "images": 8, "share": 1.0, "acc": FIGURE, "i_acc": FIGURE},
    ]
    paper_s = {size: {"mean_s": 1.5, "deviation_s": 0.5} for size in ("7B", "32B")}
    return {
        "model": {"name": evil, "revision": "sha256:1", "prompt_version": "1", "engine": "vllm 1"},
        "set": {"title": evil, "images": 8, "real": 4, "generated": 4},
        "made_at": "2026-01-01T00:00:00Z",
        "machine": "a machine",
        "by_construction": [evil],
        "table1_equal_budget": row("two_turn", "recorded", **(RECORDED | {"commit": "abcdef0123456789-dirty"})),
        "table1": [
            row("sft", "not trained yet"),
            row("no_bleu", "recorded", **RECORDED),
            row("two_turn", "live"),
        ],
        "random_crop_cost": FIGURE,
        "largest_identity_gap": 0.0,
        "table2": [
            {
                "set": "mmfr",
                "title": "MMFR",
                "images": 0,
                "acc": None,
                "acc_drop": None,
                "i_acc": None,
                "iou": None,
                "paper": {"7B": 0.5},
                "detectors": [],
            },
            {
                "set": "own",
                "title": evil,
                "images": 8,
                "generated": 8,
                "acc": FIGURE,
                "acc_drop": FIGURE,
                "i_acc": FIGURE,
                "iou": None,
                "paper": {},
                "detectors": [ask_detector(evil)],
            },
        ],
        "left_out": {"own": {"images": 1, "reasons": {"image_undecodable": 1}, "files": [evil]}},
        "met_in_training": {"own": {"same_file": 2, "same_picture": 3}},
        "table3": [
            {
                "degradation": "crop",
                "title": "Crop",
                **degraded,
                "iou_formats_swapped": FIGURE,
                "paper": {"acc": 0.9, "iou": 0.3},
                "detectors": [ask_detector(evil)],
            }
        ],
        "table4": [{"queries": 1, "mean_s": 0.25, "deviation_s": 0.05, "n": 20, "paper": paper_s}],
        "figure4_5": boxes,
        "figure7": [{"word": evil, "references": 0.5, "model": 0.25}],
        "figure9": {"cell_px": 28, "in_boxes": 0.5, "area_of_boxes": 0.1},
        "figure10_11": [{"title": evil, "rows": boxes}],
        "detectors": [
            {"detector": evil, "outcome": "better", "acc": FIGURE, "own_acc": FIGURE, "advantage": FIGURE}
            | {"auroc": FIGURE, "answered": 7, "images": 8, "cannot": ["regions", "explanation"]}
        ],
        "gallery_counts": {"right": 6, "corrected": 1, "wrong": 1, "broken": 0},
    }


def pictures(evil: str = "Words.") -> Pictures:
    image = Image.new("RGB", (40, 30), (9, 200, 9))
    return Pictures([Example("right", 3, Verdict.REAL, image)], [Tile(image, Verdict.GENERATED, evil)], [(evil, image)])


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    report.write_report(tmp_path, numbers(EVIL), PAPER, pictures=pictures(EVIL), kinds=report.KINDS)
    page = Page((tmp_path / "report.html").read_text())
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    sources = [attributes["src"] for tag, attributes in page.tags if "src" in attributes]
    assert len(sources) == 3
    assert all(source and source.startswith("data:image/webp;base64,") for source in sources)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count("{{ 7 * 7 }}") >= 6
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_page_says_where_a_row_comes_from() -> None:
    text = Page(report.render_page(PAPER, numbers(), pictures=pictures(), kinds=report.KINDS)).text
    assert "not trained yet" in text
    assert "commit abcdef0123, seed 3, 2026-01-01; SFT, then GRPO" in text
    assert "commit abcdef0123-dirty" in text
    assert "of the answers could not be read" in text
    assert "What holds by construction" in text
    assert "--mmfr DIR" in text
    assert "generated images alone: recall" in text
    assert "0.250 ± 0.050 s" in text
    assert "left out because the training set holds them: 5" in text
    unlooked = numbers() | {"met_in_training": None}
    assert (
        "was not looked into" in Page(report.render_page(PAPER, unlooked, pictures=pictures(), kinds=report.KINDS)).text
    )


def test_without_scenes_nothing_is_said_of_construction() -> None:
    plain = numbers() | {"by_construction": [], "figure10_11": []}
    text = Page(report.render_page(PAPER, plain, pictures=Pictures(), kinds=report.KINDS)).text
    assert "construction" not in text
    assert "Figure 9" not in text


def test_the_json_is_what_the_page_was_made_from(tmp_path: Path) -> None:
    report.write_report(tmp_path / "new" / "place", numbers(), PAPER, pictures=pictures(), kinds=report.KINDS)
    assert json.loads((tmp_path / "new" / "place" / "report.json").read_text()) == numbers()
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.format_json({"value": float("nan")})


def test_galleries_are_named_by_their_images() -> None:
    assert pictures().list_galleries() == {"right": [3], "corrected": [], "wrong": [], "broken": []}


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (FIGURE, ".938"),
        (NONE, "-"),
        (None, "-"),
        (0.5, ".500"),
        (1.0, "1.000"),
        ({"value": -0.05}, "-.050"),
        (10.5, "10.500"),
    ],
)
def test_shares_lose_their_leading_zero(metric: object, text: str) -> None:
    assert report.format_share(metric) == text


def test_intervals_and_differences() -> None:
    assert report.format_interval(FIGURE) == ".500 to 1.000"
    assert report.format_interval(NONE) == report.format_interval(None) == ""
    assert (report.format_signed(0.5), report.format_signed({"value": -0.25}), report.format_signed(None)) == (
        "+.500",
        "-.250",
        "-",
    )
    assert (report.format_points(0.144), report.format_points({"value": -0.02}), report.format_points(-0.0001)) == (
        "+14.4",
        "-2.0",
        "+0.0",
    )
    assert report.format_points(None) == "-"


def test_a_set_is_described_by_its_labels() -> None:
    described = report.describe_set("Photographs", [Verdict.REAL, Verdict.GENERATED, Verdict.REAL])
    assert described == {"title": "Photographs", "images": 3, "real": 2, "generated": 1}
