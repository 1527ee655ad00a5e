"""`python -m tests.support.coverage_by_room`: the branch coverage of a run by room, and the floor that it must reach.

A run of `coverage run -m pytest` leaves its data, one file a process; this combines them, and may run again. Lines and
branches count alike, as in coverage's own reports. Ends with 1 if the whole is below `fail_under` of pyproject.toml.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverage import Coverage

from tests.support.paths import ROOT

REPORT = ROOT / "build" / "coverage" / "report.json"


@dataclass(slots=True)
class Share:
    """Lines and branches of a room, and those among them that ran."""

    covered: int = 0
    total: int = 0

    def add(self, covered: int, total: int) -> None:
        self.covered += covered
        self.total += total

    @property
    def percent(self) -> float:
        return 100 * self.covered / max(1, self.total)


def sum_by_room(files: Mapping[str, Any]) -> dict[str, Share]:
    """Return the share of each folder from the `files` of coverage's JSON report."""
    rooms: dict[str, Share] = defaultdict(Share)
    for file, report in files.items():
        summary = report["summary"]
        rooms[Path(file).parent.as_posix()].add(
            summary["covered_lines"] + summary["covered_branches"],
            summary["num_statements"] + summary["num_branches"],
        )
    return dict(sorted(rooms.items()))


def combine_data(coverage: Coverage) -> Coverage:
    """Add the files of single processes, which this deletes, to those that were combined before."""
    coverage.load()
    coverage.combine()
    coverage.save()
    return coverage


def main() -> int:
    coverage = combine_data(Coverage())
    coverage.json_report(outfile=str(REPORT))
    rooms = sum_by_room(json.loads(REPORT.read_text())["files"])
    for room, share in rooms.items():
        print(f"{share.percent:6.1f} %  {room}")
    whole = Share(sum(share.covered for share in rooms.values()), sum(share.total for share in rooms.values()))
    floor = float(coverage.get_option("report:fail_under") or 0)  # type: ignore[arg-type]  # an option of any type
    print(f"{whole.percent:6.1f} %  all lines and branches; the floor is {floor:g} %")
    return int(whole.percent < floor)


if __name__ == "__main__":
    sys.exit(main())
