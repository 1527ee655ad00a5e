"""The result of forgetting images as lines for users, and as one object for programs."""

from collections.abc import Iterator

from pydantic import JsonValue

from training.erasure.forget import ForgetResult

SHOWN = 20


def describe_result(result: ForgetResult, *, dry_run: bool, ended_early: bool = False) -> Iterator[str]:
    """Yield a line for each place; if an error ended the command, only what it had found by then."""
    done = "found, perhaps not all of it deleted" if ended_early else "would be deleted" if dry_run else "deleted"
    if ended_early:
        yield "not finished: the same command finishes it"
    elif not result.images:
        yield "no case of the bucket has this image; by --sha256 it can be kept from ever coming"
        return
    cases = sum(map(len, result.images.values()))
    kept_away = "" if ended_early else "; a tombstone keeps each from coming back"
    yield f"{len(result.images):,} images with {cases:,} cases {done}{kept_away}"
    for sha256 in list(result.images)[:SHOWN]:
        yield f"  {sha256}"
    yield f"{result.tasks:,} tasks of Label Studio {done}, with their annotations"
    yield f"{len(result.exports):,} files of its exports and {len(result.copies):,} copies in sets {done}"
    for path in [*result.exports, *result.copies][:SHOWN]:
        yield f"  {path}"
    yield f"{len(result.answers):,} files with answers of models {done}, as a whole: an answer does not name its image"
    for journal in result.journals:
        yield f"answers about it in {journal.path} {done}"
    for snapshot in result.snapshots:
        yield f"snapshot {snapshot} has it: make a new one, then delete its place"
    for checkpoint in result.checkpoints:
        yield f"checkpoint {checkpoint.directory} was trained on it (revision {checkpoint.revision})"


def convert_result(result: ForgetResult, problem: str | None) -> dict[str, JsonValue]:
    return {
        "images": {sha256: list(keys) for sha256, keys in result.images.items()},
        "objects": result.objects,
        "tasks": result.tasks,
        "exports": [str(path) for path in result.exports],
        "copies": [str(path) for path in result.copies],
        "answers": [str(path) for path in result.answers],
        "journals": [str(journal.path) for journal in result.journals],
        "snapshots": list(result.snapshots),
        "checkpoints": [
            {"directory": str(checkpoint.directory), "revision": checkpoint.revision}
            for checkpoint in result.checkpoints
        ],
        "unreadable": list(result.unreadable),
        "error": problem,
    }
