"""Evidence cards for verdicts from a topic: fetch the image again and draw it with its evidence."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import BadSettings
from pipeline.evidence.card import draw_evidence_card
from pipeline.evidence.file_name import build_file_name
from pipeline.sandbox.decode_pool import DecodePool
from pipeline.wire.events import ImageRef
from pipeline.wire.messages import VerdictEvent
from worker.common.settings import Settings
from worker.storage.image_store import ImageStore


class EvidenceCardWriter:
    """Saves evidence cards into `directory`; etag and digest show that the image is still the one of the verdict."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory

    def __enter__(self) -> Self:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadSettings(f"cards cannot be saved in {self._directory}: {error.strerror}") from error
        self._store = ImageStore(self._settings.store)
        self._decoder = DecodePool(max_pixels=self._settings.store.max_image_pixels, workers=1)
        self._runner = asyncio.Runner()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.close()
        self._decoder.close()
        self._store.close()

    def save(self, event: VerdictEvent) -> Path:
        """Draw and save the evidence card of a verdict, and return its path.

        Raises: the errors of fetching and decoding.
        """
        return self._runner.run(self._save(event))

    async def _save(self, event: VerdictEvent) -> Path:
        image = ImageRef(
            event.image.bucket, event.image.key, event.image.etag, event.image.version_id, event.image.sha256
        )
        fetched = await self._store.fetch(image)
        decoded = await self._decoder.decode(fetched.data)
        path = self._directory / f"{build_file_name(event.event_id)}.png"
        draw_evidence_card(decoded.pixels, event).save(path)
        return path
