import json
import subprocess
import sys

from tests.support.foreign_records import list_foreign_records

HEAVY = ("boto3", "kafka", "numpy", "torch", "transformers", "vllm")


def test_the_command_reads_records_from_files_and_pipes(tmp_path):
    files = []
    for record in list_foreign_records():
        files.append(tmp_path / f"{record.name}.json")
        files[-1].write_text(json.dumps(record.value))
    command = [sys.executable, "-m", "worker", "events", *map(str, files), "-", "--json"]
    done = subprocess.run(command, input=b"s3://uploads/a.jpg\n", capture_output=True, timeout=60, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    expected = [
        "images" if record.images else "code" if record.refused else "ignored" for record in list_foreign_records()
    ]
    assert [line["outcome"] for line in lines] == [*expected, "images"]
    assert lines[-1]["file"] == "stdin:1"


def test_the_command_starts_without_any_heavy_library():
    program = f"import sys, worker.commands.events; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
