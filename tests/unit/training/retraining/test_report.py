import json
from pathlib import Path

from training.retraining.config import NightConfig
from training.retraining.news import News
from training.retraining.places import NightPlaces
from training.retraining.report import NightReport, find_earlier_seconds, locate_report
from training.retraining.steps import Step, StepOutcome, run_steps

NEWS = News(500, 240, ("verdict of web",))
REVISIONS = {"champion": "sha256:1", "start": "sha256:2", "snapshot": "d" * 64}


class Clock:
    now = 0.0

    def read(self) -> float:
        return self.now


def build_places(root: Path, night: str) -> NightPlaces:
    config = NightConfig(
        labels="s3://l", base=root, snapshots=str(root), models="s3://w/models/zoomin", work=root / "nights"
    )
    (config.work / night).mkdir(parents=True, exist_ok=True)
    return NightPlaces(config, config.work / night, root / "start", root / "data")


def read(places: NightPlaces) -> dict[str, object]:
    page = locate_report(places.directory)
    numbers: dict[str, object] = json.loads(page.with_suffix(".json").read_bytes())
    assert str(numbers["sentence"]).replace("'", "&#39;") in page.read_text()
    return numbers


def run(places: NightPlaces, clock: Clock, *, shown: list[dict[str, object]]) -> list[str]:
    """Run a night of two steps, which take 30 s and 60 s, with a look at the report in the middle of each."""
    notices: list[str] = []
    report = NightReport(places, REVISIONS, NEWS, notices.append, clock.read)

    def work(seconds: float, line: str) -> StepOutcome:
        clock.now += seconds / 2
        report.show_line(line)
        shown.append(read(places))
        clock.now += seconds / 2
        return StepOutcome(
            f"{line} is done", {"new": [{"source": "web", "real": 3, "generated": 0}]} if line == "snapshot" else {}
        )

    steps = [
        Step("snapshot", "snapshot", {}, lambda _: work(30, "snapshot")),
        Step("sft", "fine-tuning", {}, lambda _: work(60, "<b>12%")),
    ]
    report.plan(steps)
    clock.now += 1
    run_steps(steps, places.directory, report, before_each=lambda: None, clock=clock.read)
    report.conclude("waits for a person")
    return notices


def test_the_report_is_written_while_the_night_runs(tmp_path: Path) -> None:
    places, shown = build_places(tmp_path, "first"), list[dict[str, object]]()
    run(places, Clock(), shown=shown)
    first, second = shown
    assert (first["state"], first["now"], first["left_s"]) == ("running", "snapshot", None)
    assert [step["state"] for step in second["steps"]] == ["done", "running"]  # type: ignore[attr-defined]  # JSON
    page = locate_report(places.directory).read_text()
    assert 'http-equiv="refresh"' not in page, "it is over"
    assert "240 of 500 labeled cases are new" in page
    assert "verdict of web" in page
    last = read(places)
    assert (last["state"], last["sentence"]) == ("ended", "waits for a person")
    assert last["new"] == [{"source": "web", "real": 3, "generated": 0}]


def test_the_time_between_steps_is_measured(tmp_path: Path) -> None:
    places = build_places(tmp_path, "first")
    run(places, Clock(), shown=[])
    numbers = read(places)
    assert (numbers["seconds"], numbers["orchestration_s"]) == (90.0, 1.0)


def test_time_left_is_that_of_an_earlier_night(tmp_path: Path) -> None:
    run(build_places(tmp_path, "first"), Clock(), shown=[])
    second, shown = build_places(tmp_path, "second"), list[dict[str, object]]()
    assert find_earlier_seconds(second) == {"snapshot": 30.0, "sft": 60.0}
    notices = run(second, Clock(), shown=shown)
    assert [numbers["left_s"] for numbers in shown] == [75.0, 30.0]
    assert notices[0] == "snapshot begins; about 1 min 30 s left"


def test_what_commands_print_is_text_on_the_page(tmp_path: Path) -> None:
    places = build_places(tmp_path, "first")
    report = NightReport(places, REVISIONS, NEWS, lambda _: None, Clock().read)
    report.show_line("<script>alert(1)</script>")
    report.plan([])
    assert "<script>" not in locate_report(places.directory).read_text()


def test_a_failed_step_is_on_the_page_with_the_way_to_go_on(tmp_path: Path) -> None:
    places = build_places(tmp_path, "first")
    report = NightReport(places, REVISIONS, NEWS, lambda _: None)
    step = Step("sft", "fine-tuning", {}, lambda _: StepOutcome(""))
    report.plan([step])
    report.begin(step)
    report.fail(step, "fine-tuning: no room; the same command goes on with this step")
    numbers = read(places)
    assert (numbers["state"], numbers["sentence"]) == (
        "failed",
        "fine-tuning: no room; the same command goes on with this step",
    )


def test_a_report_that_cannot_be_written_ends_no_night(tmp_path: Path) -> None:
    places = build_places(tmp_path, "first")
    (places.directory / "report.html.part").mkdir()
    run_steps(
        [step := Step("snapshot", "snapshot", {}, lambda _: StepOutcome("done"))],
        places.directory,
        report := NightReport(places, REVISIONS, NEWS, lambda _: None),
        before_each=lambda: report.plan([step]),
    )
    assert not (places.directory / "report.html").exists()
