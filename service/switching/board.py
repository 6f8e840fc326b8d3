"""The models that a process has open, and which of them answers.

Whoever asks for `current` once and keeps it is answered by one model all along: a switch changes
nothing for what is under way.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from model.encoder import SHIPPED_MODEL, Encoder
from service.switching.one_model import (
    OneModel,
    Surroundings,
    is_file_of,
    located,
    open_encoder,
    open_model,
)

logger = logging.getLogger(__name__)


class Board:
    """An async context manager; usable once `start` has been called."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._open: dict[str, tuple[OneModel, contextlib.AsyncExitStack]] = {}
        self._current: OneModel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every model."""
        for fingerprint in list(self._open):
            await self._closed(fingerprint)

    @property
    def current(self) -> OneModel:
        """The model that answers."""
        assert self._current is not None
        return self._current

    @property
    def open(self) -> Mapping[str, OneModel]:
        """Those that are open, by fingerprint."""
        return {name: one for name, (one, _) in self._open.items()}

    async def start(self) -> None:
        """Open the store's model, or that of the settings where the store names none.

        Raises:
            ModelFileError: it cannot serve.
            CatalogError: the store cannot be read.
        """
        settings, active = self.around.settings, (await self.around.store.roles()).active
        if not active:
            encoder = open_encoder(settings)
            self._current = await self._loaded(encoder, settings.model_path)
            return
        self._current = await self.load(active)
        if settings.model_path != SHIPPED_MODEL and not is_file_of(settings.model_path, active):
            logger.warning(
                "the store is served by its own model, %s, not by %s; to change it: "
                "lapel reindex --to %s",
                active,
                settings.model_path,
                settings.model_path,
            )

    async def load(self, fingerprint: str) -> OneModel:
        """Open a model beside those that are open.

        Raises:
            ModelFileError: its file is not at hand, or cannot serve.
            CatalogError: the store cannot be read.
        """
        if fingerprint in self._open:
            return self._open[fingerprint][0]
        settings = self.around.settings
        async with located(settings, self.around.store, fingerprint) as path:
            encoder = await asyncio.to_thread(open_encoder, settings, path)
            return await self._loaded(encoder, path)

    def switch(self, fingerprint: str) -> None:
        """Have another of the open models answer from now on; what is under way is not touched."""
        before, self._current = self.current, self._open[fingerprint][0]
        self.current.ingest.take_over()
        before.ingest.hand_over(self.current.ingest)

    def write_for(self, kept: frozenset[str]) -> None:
        """Have each model's writes carry the vectors of the other open ones among `kept`."""
        for name, one in self.open.items():
            others = {k: o.images for k, o in self.open.items() if k != name and k in kept}
            one.ingest.write_also(others)

    async def unload(self, fingerprint: str) -> None:
        """Close a model that does not answer any more."""
        assert fingerprint != self.current.fingerprint
        await self._closed(fingerprint)
        await self.around.store.release(fingerprint)

    async def _loaded(self, encoder: Encoder, path: Path) -> OneModel:
        async with contextlib.AsyncExitStack() as stack:
            one = await stack.enter_async_context(open_model(encoder, path, self.around))
            self._open[encoder.fingerprint] = (one, stack.pop_all())
        return one

    async def _closed(self, fingerprint: str) -> None:
        _, stack = self._open.pop(fingerprint)
        await stack.aclose()
