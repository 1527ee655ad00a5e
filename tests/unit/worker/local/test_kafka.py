from pathlib import Path

from worker.local.kafka import render_broker_properties


def parse_properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_the_broker_listens_on_loopback_only() -> None:
    found = parse_properties(render_broker_properties({"client": 1111, "controller": 2222}, data=Path("data")))
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert found["advertised.listeners"] == found["listeners"]
    assert found["controller.quorum.bootstrap.servers"] == "127.0.0.1:2222"


def test_one_node_asks_for_one_copy() -> None:
    found = parse_properties(render_broker_properties({"client": 1, "controller": 2}, data=Path("a b")))
    copies = {name: value for name, value in found.items() if name.endswith(("replication.factor", "min.isr"))}
    assert len(copies) == 5
    assert set(copies.values()) == {"1"}
    assert found["log.dirs"] == "a b"
    assert found["auto.create.topics.enable"] == "false"


def test_overrides_take_precedence() -> None:
    overrides = {"node.id": 2, "min.insync.replicas": 2}
    found = parse_properties(
        render_broker_properties({"client": 1, "controller": 2}, data=Path("data"), overrides=overrides)
    )
    assert (found["node.id"], found["min.insync.replicas"], found["process.roles"]) == ("2", "2", "broker,controller")
