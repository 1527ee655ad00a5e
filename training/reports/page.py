"""Reports as one HTML page that opens from disk, and the same numbers as JSON."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from PIL import Image

from training.evaluation.summary import Json
from training.reports.examples import KINDS, Example, Tile

JSON_NAME, HTML_NAME = "report.json", "report.html"
QUALITY = 82
NONE = "-"


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What the page shows besides numbers; `heat_maps` are those of one image after the other."""

    examples: Sequence[Example] = ()
    tiles: Sequence[Tile] = ()
    heat_maps: Sequence[tuple[str, Image.Image]] = ()

    def as_json(self) -> Json:
        """Which images the galleries show."""
        return {name: [one.number for one in self.examples if one.kind == name] for name in KINDS}


def write(directory: Path, numbers: Json, template: str, **more: object) -> None:
    """Both files into `directory`, which is made where it is missing; the JSON last."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / HTML_NAME).write_text(render(template, numbers, **more))
    (directory / JSON_NAME).write_text(as_text(numbers))


def as_text(numbers: Json) -> str:
    return json.dumps(numbers, indent=2, allow_nan=False) + "\n"


def render(template: str, numbers: Json, **more: object) -> str:
    """The page, its pictures inside it, every text escaped; it runs no script and loads nothing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"uri": data_uri, "share": share, "between": between, "points": points, "signed": signed}
    return environment.get_template(template).render(report=numbers, **more)


def share(figure: Mapping[str, float | None] | float | None, digits: int = 3) -> str:
    """A figure of the report, or a plain number, without its leading zero; a dash where there is none."""
    value = figure.get("value") if isinstance(figure, Mapping) else figure
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def between(figure: Mapping[str, float | None] | None) -> str:
    """Its 95 % interval; nothing where an interval makes no sense."""
    if figure is None or figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"{share(figure['low'])} to {share(figure['high'])}"


def points(figure: Mapping[str, float | None] | float | None) -> str:
    """A difference of shares in points with its sign."""
    value = figure.get("value") if isinstance(figure, Mapping) else figure
    return NONE if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def signed(figure: Mapping[str, float | None] | float | None) -> str:
    """A difference with its sign."""
    shown = share(figure)
    return shown if shown.startswith("-") else f"+{shown}"


def data_uri(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
