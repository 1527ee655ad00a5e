"""Labels that came in since the champion's snapshot, and whether they are worth a night.

It costs two listings of the bucket and one file of the snapshot; no case is read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import BadSettings, ImageMissing
from pipeline.registry.manifest import RevisionManifest
from training.common.journal import JournalEntry
from training.labeling.bucket import LabelingBucket
from training.labeling.cases import index_cases
from training.snapshot.facts import build_fact_key
from training.snapshot.place import SnapshotPlace
from training.snapshot.summary import FACTS

ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class News:
    """Cases that were labeled since the champion's snapshot, of all that are, and the drift alarms."""

    labeled: int
    since: int
    alarms: tuple[str, ...]

    def find_reason_to_wait(self, least: int) -> str | None:
        """Return why there is nothing to do; None where there is."""
        if self.alarms and self.since:
            return None
        if self.since >= max(1, least):
            return None
        drift = f"drift alarm ({', '.join(self.alarms)}), but none of them is new" if self.alarms else "no drift alarm"
        return f"{self.since} of {self.labeled} labeled cases are new, fewer than {max(1, least)}, and {drift}"

    def describe(self) -> str:
        drift = f"; drift alarm: {', '.join(self.alarms)}" if self.alarms else ""
        return f"{self.since} of {self.labeled} labeled cases are new since the champion's snapshot{drift}"


def read_news(
    bucket: LabelingBucket, place: SnapshotPlace, champion: RevisionManifest, drift_report: Path | None
) -> News:
    """Count what is new. Raises: BadSettings for a drift report that cannot be read; the errors of the bucket."""
    known = read_known_facts(place, champion.data_digest)
    index = index_cases(bucket)
    labeled = [case_id for case_id in index.cases if case_id in index.labels]
    since = sum(build_fact_key(index, case_id) not in known for case_id in labeled)
    return News(len(labeled), since, read_alarms(drift_report) if drift_report else ())


def read_known_facts(place: SnapshotPlace, digest: str | None) -> set[str]:
    """Return the keys of what the snapshot has read; nothing where the champion comes from no snapshot of the place."""
    if digest is None:
        return set()
    with TemporaryDirectory() as directory:
        facts = Path(directory) / FACTS
        try:
            place.read_file(digest, FACTS, facts)
        except ImageMissing:
            return set()
        with facts.open("rb") as lines:
            return {JournalEntry.model_validate_json(line).key for line in lines}


def read_alarms(path: Path) -> tuple[str, ...]:
    """Return what a report of `zoomin-train estimate` raises an alarm about. Raises: BadSettings."""
    try:
        drift = json.loads(path.read_bytes())["drift"] or {"moved": []}
        moved = [entry for entry in drift["moved"] if entry["level"] == ALARM]
        return tuple(dict.fromkeys(f"{entry['feature']} of {entry['source'] or 'all sources'}" for entry in moved))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSettings(
            f"drift_report {path} is no report of `zoomin-train estimate --verdicts` ({error}); make it anew, or leave "
            "the value out"
        ) from error
