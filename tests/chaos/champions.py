"""The model registry of a round: revisions of a few bytes, good and broken ones, and the pointer to the champion."""

import json
from datetime import UTC, datetime
from pathlib import Path

from pipeline import images
from pipeline.checkpoint import CheckpointCard
from pipeline.registry.address import ModelAddress
from pipeline.registry.promotion import promote, rollback
from pipeline.registry.push import SmokeImage, push_revision
from pipeline.registry.registry import ModelRegistry
from pipeline.verdict import RgbImage, Verdict
from tests.support.builders import build_noise, encode_image
from tests.support.servers.services import S3ForTests

NAME = "chaos"
WHO = "chaos"
WEIGHTS = "model.safetensors"
WEIGHTS_BYTES = 200_000
SMOKE = build_noise(seed=1)
SMOKE_DIGEST = images.build_view(RgbImage(SMOKE, "png"), CheckpointCard().scan_max_pixels).sha256
SMOKE_VERDICT = Verdict.GENERATED if int(SMOKE_DIGEST[:2], 16) >= 128 else Verdict.REAL
"""what the stand-in engine says of it"""
OTHER = {Verdict.GENERATED: Verdict.REAL, Verdict.REAL: Verdict.GENERATED}


class Champions:
    """Every push is another revision. Every third one has another architecture, for which an engine starts anew."""

    def __init__(self, store: S3ForTests, directory: Path, *, seed: int) -> None:
        self._directory = directory
        self._seed = seed
        self._pushed = 0
        self.bucket = store.create_bucket("models")
        self.registry = ModelRegistry(store.client, self.bucket, NAME)
        directory.mkdir(parents=True)
        (directory / "smoke.png").write_bytes(encode_image(SMOKE, "PNG"))
        self.promote(self.push())

    @property
    def address(self) -> str:
        return str(ModelAddress(self.bucket, NAME))

    @property
    def serving(self) -> str:
        """The revision of the pointer."""
        pointer = self.registry.read_pointer()
        assert pointer is not None, "the first was promoted at the start"
        return pointer.champion.revision

    def push(self, *, is_fit: bool = True) -> str:
        """Push a new revision; of one that is not fit, the smoke question expects another verdict than it gives."""
        self._pushed += 1
        checkpoint = self._directory / str(self._pushed) / NAME
        checkpoint.mkdir(parents=True)
        mark = f"{self._seed}-{self._pushed} ".encode()
        (checkpoint / WEIGHTS).write_bytes((mark * WEIGHTS_BYTES)[:WEIGHTS_BYTES])
        (checkpoint / "config.json").write_text(json.dumps({"layers": int(self._pushed % 3 == 0)}))
        (checkpoint / "zoomin.json").write_text("{}")
        manifest = push_revision(
            self.registry,
            checkpoint,
            parent=None,
            data_digest=None,
            gate=None,
            smoke=[SmokeImage(self._directory / "smoke.png", SMOKE_VERDICT if is_fit else OTHER[SMOKE_VERDICT])],
            created_by=WHO,
            now=datetime.now(UTC),
        )
        return manifest.revision

    def damage(self, revision: str) -> None:
        """Change bytes of its weights in the bucket, and nothing that the bucket says of them."""
        client, key = self.registry.client, self.registry.build_file_key(revision, WEIGHTS)
        stored = client.get_object(Bucket=self.bucket, Key=key)
        body = bytes(WEIGHTS_BYTES - 1) + stored["Body"].read()[-1:]
        client.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=stored["Metadata"])

    def promote(self, revision: str) -> None:
        promote(self.registry, revision, by=WHO, reason="a fault", now=datetime.now(UTC))

    def roll_back(self) -> None:
        rollback(self.registry, by=WHO, reason="the end of a fault", now=datetime.now(UTC))
