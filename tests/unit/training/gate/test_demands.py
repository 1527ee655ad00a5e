from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import ROOT
from training.gate.demands import DEMANDS, PROFILES, Demands, find_changed_demands, resolve_demands
from training.gate.table import RowName
from training.runs.run_file import read_run_file

DOCUMENT = ROOT / "docs" / "explanation" / "gate.md"


def resolve(path: Path, text: str) -> tuple[str, Demands]:
    path.write_text(text)
    return resolve_demands(file=read_run_file(path, PROFILES))


def test_production_is_the_default() -> None:
    assert resolve_demands() == ("production", Demands())


def test_no_demand_of_the_demo_is_stricter() -> None:
    without_order = {"source_images", "shadow", "waive"}
    for name in Demands.model_fields.keys() - without_order:
        ours, theirs = (getattr(DEMANDS[profile], name) for profile in ("demo", "production"))
        if name.endswith(("_may_fall", "_may_rise", "_at_most", "_factor")):
            assert ours >= theirs, name
        else:
            assert ours <= theirs, name


@pytest.mark.parametrize("name", sorted(Demands.model_fields.keys() - {"waive"}))
def test_the_documented_demands_are_those_of_the_profiles(name: str) -> None:
    values = " | ".join(str(getattr(DEMANDS[profile], name)) for profile in PROFILES)
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if f"`{name}`" in line and line.startswith("|")]
    assert line.endswith(f"| {values} |")


def test_a_file_changes_demands_and_the_table_can_say_which(tmp_path: Path) -> None:
    text = "profile: demo\ngolden_may_fall: 0.1\nwaive: {new_kinds: the first night has none}\n"
    profile, demands = resolve(tmp_path / "gate.yaml", text)
    assert (profile, demands.golden_may_fall, demands.latency_factor) == ("demo", 0.1, 3.0)
    changed = {"golden_may_fall": 0.1, "waive": {"new_kinds": "the first night has none"}}
    assert find_changed_demands("demo", demands) == changed
    assert demands.waive == {RowName.NEW_KINDS: "the first night has none"}


def test_the_caller_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text("profile: demo\ncrop_may_fall: 1\n")
    file = read_run_file(None)
    assert resolve_demands("demo", {"iou_share": 0.5}, file)[1].iou_share == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("golden_may_fal: 1", "golden_may_fal is not a value of this run; did you mean golden_may_fall?"),
        ("golden_may_fall: 2", "golden_may_fall is 2; it must be 1 or less"),
        ("golden_may_fall: much", "golden_may_fall is much; it must be a number"),
        ("latency_factor: 0.9", "latency_factor is 0.9; it must be 1 or more"),
        ("waive: [iou]", "waive"),
        ("waive: {jpeg: why}", "waive"),
        ('waive: {iou: ""}', "iou has no reason"),
        ("overlay_images: 3", "overlay_images is 3; images_of_each_class asks for 20 or more"),
        ("profile: strict", "profile is strict"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadSettings) as refused:
        resolve(tmp_path / "gate.yaml", text)
    assert message in refused.value.detail
    assert str(tmp_path / "gate.yaml") in refused.value.detail
