import re
from html.parser import HTMLParser

from tests.support.verdicts import build_verdict
from training.label_studio.evidence import SHOWN_SIDE_PX, build_evidence

URL = "s3://labels/images/ab.png"
HOSTILE = """<script>alert(1)</script><img src=x onerror=y> "' & {{ 7 * 7 }} s3://labels/cases/secret.json"""


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.styles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_of_the_model_shows_and_does_nothing() -> None:
    page = build_evidence(build_verdict(scan_explanation=HOSTILE, check_explanation=HOSTILE), URL)
    reader = Reader(page)
    assert set(reader.tags) <= {"div", "p", "b", "i"}
    assert reader.text.count(HOSTILE) == 2
    assert "s3://" not in page, "Label Studio replaces such addresses"


def test_crops_are_windows_on_the_one_image() -> None:
    page = build_evidence(build_verdict(zoomed=[(0, 0, 10, 10), (100, 50, 300, 150)], idle=[(1, 1, 9, 9)]), URL)
    reader = Reader(page)
    assert re.findall(r'src="([^"]+)"', page) == [URL, URL]
    assert "1 · 28 x 28 px" in reader.text, "at least 28 px, as the model saw it"
    assert "2 · 220 x 110 px" in reader.text, "with the margin of a tenth"
    first, second = (style for style in reader.styles if "max-width:none" in style)
    scale = SHOWN_SIDE_PX / 28
    assert f"width:{round(512 * scale, 2)}px" in first
    assert "pixelated" in first
    assert "left:-90.0px;top:-45.0px" in second
    assert "pixelated" not in second


def test_both_verdicts_stand_there_with_their_probability() -> None:
    text = Reader(build_evidence(build_verdict(scan="real", check="generated"), URL)).text
    assert "Global scan · real · P(generated) 0.12" in text
    assert "Local check · generated · P(generated) 0.97" in text
    assert "No region was enlarged." in text
    degraded = Reader(build_evidence(build_verdict(scan="real", check=None, scan_explanation=""), URL)).text
    assert "Local check · no readable answer" in degraded
    assert "(no explanation)" in degraded
