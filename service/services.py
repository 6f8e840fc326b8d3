"""What the routes and the command line work with, opened together and closed in reverse.

The command line opens the same services in process, without HTTP. The model among them may be
exchanged while they are open: `Services` always means the one that answers now, and its `fixed`
is for whoever must be answered by one model from beginning to end.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from api_schemas.card import ModelCard
from model.encoder import Encoder
from service.cache import Cache, LayeredCache, LruCache
from service.catalog.embedded import EmbeddedFolder
from service.catalog.models import CatalogStore
from service.catalog.redis.catalog import RedisStore
from service.catalog.store import Catalog
from service.embedder import Embedder
from service.fetch.opening import open_fetch
from service.images import Images
from service.ingest import Ingest
from service.metrics import Levels, Metrics
from service.redis_cache import RedisCache
from service.routes.answers import identity
from service.settings import BYTES_PER_MIB, Settings
from service.switching.board import Board
from service.switching.changing import Changes
from service.switching.following import Follower
from service.switching.one_model import OneModel, Surroundings
from service.switching.one_model import open_encoder as open_encoder

DRAIN_S = 5.0
"""How long requests under way may go on with the model that they began with, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Services:
    """Everything that is open while the service runs.

    Attributes:
        settings: as they were read.
        cache: of embeddings, shared by all models.
        changes: exchanges the model.
        follower: what this process knows of the store's models.
    """

    settings: Settings
    cache: Cache
    changes: Changes
    follower: Follower
    _model: Callable[[], OneModel]

    @property
    def fixed(self) -> "Services":
        """The same, with the model that answers now, whatever comes."""
        model = self._model()
        return Services(self.settings, self.cache, self.changes, self.follower, lambda: model)

    @property
    def encoder(self) -> Encoder:
        """The model."""
        return self._model().encoder

    @property
    def embedder(self) -> Embedder:
        """Bytes to embeddings."""
        return self._model().embedder

    @property
    def catalog(self) -> Catalog:
        """The garments as the model sees them."""
        return self._model().catalog

    @property
    def images(self) -> Images:
        """Resolves what requests call an image."""
        return self._model().images

    @property
    def ingest(self) -> Ingest:
        """Writes garments."""
        return self._model().ingest

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.encoder.card

    @property
    def identity(self) -> dict[str, str]:
        """Name, version and fingerprint of the model, as answers carry them."""
        return identity(self.encoder)


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    leads: bool = False,
    drain_s: float | None = None,
) -> AsyncIterator[Services]:
    """Load the model and open the catalog.

    Args:
        settings: which model, which store, how much of everything.
        metrics: told of every batch, and given the levels to watch.
        leads: whether this process may carry out a change of models; one that may not follows
            those of others.
        drain_s: see `Follower`; `DRAIN_S` unless given.

    Raises:
        ModelFileError: the model file cannot serve.
        CatalogError: the store cannot be opened.
        InvalidUrl: the store or the cache is a URL that cannot be read.
    """
    metrics = metrics or Metrics()
    async with contextlib.AsyncExitStack() as stack:
        cache = _opened_cache(settings, stack)
        store = await _opened_store(settings)
        stack.push_async_callback(store.close)
        fetch = await stack.enter_async_context(open_fetch(settings))
        around = Surroundings(settings, store, cache, metrics, fetch)
        board = await stack.enter_async_context(Board(around))
        await board.start()
        metrics.watch(lambda: _levels(cache, board))
        follower = Follower(
            board,
            may_lead=leads,
            drain_s=DRAIN_S if drain_s is None else drain_s,
            grace_s=float(settings.model_grace_s),
        )
        if leads or not isinstance(settings.store, Path):  # a folder has nobody else to follow
            await stack.enter_async_context(follower)
        changes = Changes(board, follower)
        yield Services(settings, cache, changes, follower, lambda: board.current)


async def _opened_store(settings: Settings) -> CatalogStore:
    """A folder or a Redis."""
    if isinstance(settings.store, Path):
        return await EmbeddedFolder.open(settings.store, store_images=settings.store_images)
    return await RedisStore.open(
        settings.store, store_images=settings.store_images, partitions=settings.store_partitions
    )


def _opened_cache(settings: Settings, stack: contextlib.AsyncExitStack) -> Cache:
    """A cache in this process, before one in Redis where the settings name it."""
    near = LruCache(settings.cache_mib * BYTES_PER_MIB)
    if not settings.cache_url:
        return near
    far = RedisCache(settings.cache_url, ttl_s=settings.cache_ttl_s)
    stack.push_async_callback(far.close)
    return LayeredCache(near, far)


def _levels(cache: Cache, board: Board) -> Levels:
    models = board.open.values()
    return Levels(
        cache_hits=cache.stats.hits,
        cache_misses=cache.stats.misses,
        cache_evictions=cache.stats.evictions,
        cache_bytes=cache.stats.bytes,
        cache_entries=cache.stats.entries,
        queue_images=sum(model.queued() for model in models),
        images_in_flight=sum(model.embedder.in_flight for model in models),
    )
