"""A report as one HTML page that opens from disk, and its numbers as JSON."""

import base64
import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from PIL import Image

from pipeline.verdict import Verdict
from training.evaluation.summary import Json
from training.reports.examples import KINDS, Example, Tile

JSON_NAME, HTML_NAME = "report.json", "report.html"
PACKAGE = "training.reports"
QUALITY = 82
NONE = "-"
JsonMetric = Mapping[str, float | None]
"""a metric as the JSON file has it: value, low, high, n"""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The pictures of a page; `attention_maps` are in the order of their images, each with its caption."""

    examples: Sequence[Example] = ()
    tiles: Sequence[Tile] = ()
    attention_maps: Sequence[tuple[str, Image.Image]] = ()

    def list_galleries(self) -> Json:
        """Return the numbers of the images in each gallery."""
        return {name: [example.number for example in self.examples if example.kind == name] for name in KINDS}


def describe_set(title: str, labels: Collection[Verdict]) -> Json:
    """Return the set of a report: its title, and the number of its images by label."""
    counts = Counter(labels)
    return {
        "title": title,
        "images": len(labels),
        "real": counts[Verdict.REAL],
        "generated": counts[Verdict.GENERATED],
    }


def write_report(directory: Path, numbers: Json, template: str, *, package: str = PACKAGE, **context: object) -> None:
    """Write both files into `directory`, which is created when missing; the JSON last."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / HTML_NAME).write_text(render_page(template, numbers, package=package, **context))
    (directory / JSON_NAME).write_text(format_json(numbers))


def format_json(numbers: Json) -> str:
    return json.dumps(numbers, indent=2, allow_nan=False) + "\n"


def render_page(template: str, numbers: Json, *, package: str = PACKAGE, **context: object) -> str:
    """Render the page with its pictures inside and every text escaped; it runs no script and loads nothing.

    `package` has the template in its folder `templates`, and may include those of this room.
    """
    return _build_environment(package).get_template(template).render(report=numbers, **context)


@cache
def _build_environment(package: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in dict.fromkeys((package, PACKAGE))]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "uri": encode_data_uri,
        "share": format_share,
        "between": format_interval,
        "points": format_points,
        "signed": format_signed,
    }
    return environment


def format_share(metric: JsonMetric | float | None, digits: int = 3) -> str:
    """Format a metric of the report, or a plain number, without its leading zero; a dash for None."""
    value = metric.get("value") if isinstance(metric, Mapping) else metric
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def format_interval(metric: JsonMetric | None) -> str:
    """Format the 95 % interval; empty where an interval makes no sense."""
    if metric is None or metric.get("low") is None or metric.get("high") is None:
        return ""
    return f"{format_share(metric['low'])} to {format_share(metric['high'])}"


def format_points(metric: JsonMetric | float | None) -> str:
    """Format a difference of shares in points with its sign."""
    value = metric.get("value") if isinstance(metric, Mapping) else metric
    return NONE if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def format_signed(metric: JsonMetric | float | None) -> str:
    """Format a difference with its sign."""
    text = format_share(metric)
    return text if text.startswith("-") else f"+{text}"


def encode_data_uri(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
