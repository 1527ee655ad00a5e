import base64
import io
from html.parser import HTMLParser

import pytest
from PIL import Image

from pipeline.verdict import Verdict
from tests.support.verdicts import build_verdict
from worker.demo.report import Case, Share, Summary, render_report

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def build_case(name, *, truth="generated", scan="real", check="generated", p_generated=None, **rest):
    event = build_verdict(scan=scan, check=check, event_id=name, p_generated=p_generated)
    return Case(name, Verdict(truth), event, evidence_card=Image.new("RGB", (40, 30), (9, 200, 9)), seconds=1.0, **rest)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.cases, self.images, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "article":
            self.cases.append(set(attributes["class"].split()))
        if tag == "img":
            self.images.append(attributes)

    def handle_data(self, data):
        self.text += data


def render_page(*cases):
    return Page(render_report(cases, Summary.from_cases(cases, seconds=3.0)))


def test_the_summary_counts_what_zooming_in_changed():
    cases = [
        build_case("helped", truth="generated", scan="real", check="generated"),
        build_case("harmed", truth="real", scan="real", check="generated"),
        build_case("right", truth="real", scan="real", check="real"),
        build_case("wrong", truth="real", scan="generated", check="generated"),
        Case("lost", Verdict.REAL, None, problem="image_missing"),
    ]
    summary = Summary.from_cases(cases, seconds=3.0)
    assert (summary.images, summary.answered) == (5, 4)
    assert summary.acc is not None
    assert summary.i_acc is not None
    assert (summary.acc.value, summary.i_acc.value, summary.acc.n) == (0.5, 0.5, 4)
    assert (summary.corrected, summary.corrected_right, summary.corrected_wrong) == (2, 1, 1)
    assert summary.median_s == 1.0


def test_acc_counts_a_degraded_answer_as_wrong_and_what_was_published_as_it_is():
    summary = Summary.from_cases([build_case("a", truth="real", scan="real", check=None)], seconds=1.0)
    assert summary.acc is not None
    assert (summary.acc.value, summary.i_acc.value, summary.acc_published.value) == (0.0, 1.0, 1.0)
    assert summary.corrected == 0


def test_a_mark_is_about_the_published_verdict_and_acc_about_what_the_model_wrote():
    case = build_case("overruled", truth="real", scan="real", check="generated", p_generated=0.47)
    summary = Summary.from_cases([case], seconds=1.0)
    assert (summary.acc.value, summary.i_acc.value, summary.acc_published.value) == (0.0, 1.0, 1.0)
    assert (summary.corrected_right, summary.corrected_wrong) == (0, 1)
    rendered = render_page(case)
    assert rendered.cases == [{"case", "corrected"}]
    assert "right after correction" not in rendered.text
    assert "As published" in rendered.text


def test_nothing_answered_is_not_an_accuracy_of_zero():
    summary = Summary.from_cases([Case("lost", Verdict.REAL, None)], seconds=1.0)
    assert summary.acc is None
    assert "n/a" in render_page(Case("lost", Verdict.REAL, None)).text


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)]
)
def test_wilson_interval(hits, n, low, high):
    share = Share.from_outcomes([True] * hits + [False] * (n - hits))
    assert share is not None
    assert (share.low, share.high) == pytest.approx((low, high), abs=2e-4)


def test_what_messages_say_is_escaped_everywhere():
    event = build_verdict(key=EVIL, scan_explanation=EVIL, check_explanation=EVIL)
    event = event.model_copy(update={"model": event.model.model_copy(update={"name": EVIL, "engine": EVIL})})
    rendered = render_page(
        Case(EVIL, Verdict.REAL, event, evidence_card=Image.new("RGB", (4, 4))),
        Case(EVIL, Verdict.REAL, None, problem=EVIL),
    )
    assert not any(tag == "script" or "onerror" in attributes for tag, attributes in rendered.tags)
    assert len(rendered.images) == 1
    assert EVIL in rendered.text
    assert EVIL in rendered.images[0]["alt"]


def test_the_page_loads_nothing():
    rendered = render_page(build_case("a"), build_case("b"))
    links = [attributes.get("src") or attributes.get("href") for _, attributes in rendered.tags]
    assert all(link.startswith(("data:", "#")) for link in links if link)
    assert not any(tag in ("link", "script", "iframe") for tag, _ in rendered.tags)
    assert not any(
        "@import" in text or "url(" in text for text in [render_report([], Summary.from_cases([], seconds=0.0))]
    )


def test_cards_are_inside_the_page():
    image = render_page(build_case("a")).images[0]
    head, _, body = image["src"].partition(",")
    assert head == "data:image/webp;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(body)))
    assert picture.size == (40, 30)
    assert (int(image["width"]), int(image["height"])) == (40, 30)


def test_filters_find_their_images_and_corrected_ones_come_first():
    rendered = render_page(
        build_case("plain", truth="real", check="real"),
        build_case("wrong", truth="generated", check="real"),
        build_case("harmed", truth="real", check="generated"),
        build_case("helped", truth="generated", check="generated"),
        Case("lost", Verdict.REAL, None),
    )
    found = [sorted(classes - {"case"}) for classes in rendered.cases]
    assert found == [["corrected"], ["corrected", "wrong"], ["wrong"], ["unanswered"], []]
    radios = [attributes["id"] for tag, attributes in rendered.tags if tag == "input"]
    labels = [attributes["for"] for tag, attributes in rendered.tags if tag == "label"]
    assert radios == labels == ["show-all", "show-corrected", "show-wrong", "show-unanswered"]


def test_dots_lead_to_their_images():
    rendered = render_page(build_case("a"), build_case("b", check=None), build_case("c"))
    targets = [attributes["href"][1:] for tag, attributes in rendered.tags if tag == "a"]
    ids = {attributes["id"] for tag, attributes in rendered.tags if tag == "article"}
    assert len(targets) == 2
    assert set(targets) <= ids
