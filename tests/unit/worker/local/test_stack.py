from pathlib import Path

from worker.local.stack import LocalStack


def test_a_stack_tells_where_it_will_be_found(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, notify=print, kafka_port=9, s3_port=7)
    environment = stack.build_environment(label_bucket="labels")
    assert environment["ZOOMIN_KAFKA__BOOTSTRAP_SERVERS"] == "127.0.0.1:9"
    assert environment["ZOOMIN_STORE__ENDPOINT_URL"] == "http://127.0.0.1:7"
    assert environment["ZOOMIN_TRAIN_S3_ENDPOINT_URL"] == environment["ZOOMIN_STORE__ENDPOINT_URL"]
    assert environment["ZOOMIN_SAMPLING__BUCKET"] == "labels"
    assert all(name.startswith(("ZOOMIN_", "AWS_")) for name in environment)


def test_the_same_directory_has_the_same_ports_and_credentials(tmp_path: Path) -> None:
    first = LocalStack(tmp_path, notify=print).build_environment()
    assert LocalStack(tmp_path, notify=print).build_environment() == first
    assert (
        LocalStack(tmp_path / "other", notify=print).build_environment()["AWS_SECRET_ACCESS_KEY"]
        != (first["AWS_SECRET_ACCESS_KEY"])
    )


def test_a_stack_with_label_studio_tells_how_cases_get_there(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, notify=print, with_label_studio=True, label_studio_port=5)
    environment = stack.build_environment()
    assert environment["ZOOMIN_TRAIN_LABELS_URL"] == "http://127.0.0.1:5"
    assert len(environment["ZOOMIN_TRAIN_LABELS_TOKEN"]) == 40
    assert environment["ZOOMIN_TRAIN_LABELS_S3_SECRET_KEY"] != environment["AWS_SECRET_ACCESS_KEY"]
    assert "ZOOMIN_TRAIN_LABELS_URL" not in LocalStack(tmp_path, notify=print).build_environment()
