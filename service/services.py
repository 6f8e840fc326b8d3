"""What the routes and the command line work with, opened together and closed in reverse.

The command line opens the same services in process, without HTTP.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import ModelCard
from model.encoder import Encoder, ImageEmbedding
from service.batcher import Batcher
from service.cache import Cache, LayeredCache, LruCache
from service.catalog.embedded import EmbeddedCatalog
from service.catalog.redis.catalog import RedisCatalog
from service.catalog.store import Catalog
from service.embedder import Embedder
from service.fetch.opening import open_fetch
from service.images import Images
from service.ingest import Ingest
from service.metrics import Levels, Metrics
from service.piecewise import PiecewiseEncoder
from service.redis_cache import RedisCache
from service.routes.answers import identity
from service.settings import BYTES_PER_MIB, Settings

CUDA_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True, eq=False)
class Services:
    """Everything that is open while the service runs."""

    settings: Settings
    encoder: Encoder
    embedder: Embedder
    catalog: Catalog
    cache: Cache
    images: Images
    ingest: Ingest

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
    settings: Settings, metrics: Metrics | None = None
) -> AsyncIterator[Services]:
    """Load the model and open the catalog.

    Args:
        settings: which model, which store, how much of everything.
        metrics: told of every batch, and given the levels to watch.

    Raises:
        ModelFileError: the model file cannot serve.
        CatalogError: the store cannot be opened.
        InvalidUrl: the store or the cache is a URL that cannot be read.
    """
    metrics = metrics or Metrics()
    encoder = open_encoder(settings)
    async with contextlib.AsyncExitStack() as stack:
        cache = _opened_cache(settings, stack)
        catalog = await _opened_catalog(settings, encoder)
        stack.push_async_callback(catalog.close)
        network = stack.enter_context(PiecewiseEncoder.of(encoder, settings.model_path))
        batcher: Batcher[NDArray[np.uint8], ImageEmbedding] = Batcher(
            network.encode,
            max_batch=settings.batch_max_images,
            wait_ms=settings.batch_wait_ms,
            queue_size=settings.queue_max_images,
            on_batch=metrics.batch,
        )
        await stack.enter_async_context(batcher)
        embedder = await stack.enter_async_context(
            Embedder(encoder, batcher, cache, decode_threads=settings.decode_threads)
        )
        metrics.watch(lambda: _levels(cache, batcher, embedder))
        images = Images(
            embedder,
            catalog,
            max_image_bytes=settings.max_image_bytes,
            max_together=2 * settings.batch_max_images,
            fetch=await stack.enter_async_context(open_fetch(settings)),
            max_fetched=settings.image_url_fetches // 2,
        )
        yield Services(
            settings=settings,
            encoder=encoder,
            embedder=embedder,
            catalog=catalog,
            cache=cache,
            images=images,
            ingest=Ingest(images, catalog),
        )


def open_encoder(settings: Settings) -> Encoder:
    """The model, on the device of the settings.

    Raises:
        ModelFileError: the file, or the device, cannot be used.
    """
    if settings.device == "cuda":  # one thread feeds the device; batches are not cut into pieces
        return Encoder.load(settings.model_path, threads=1, providers=CUDA_PROVIDERS)
    return Encoder.load(settings.model_path, threads=settings.onnx_threads or None)


async def _opened_catalog(settings: Settings, encoder: Encoder) -> Catalog:
    """The catalog in a folder or in a Redis."""
    shape = (len(encoder.card.attributes), encoder.card.embedding_dimension)
    if isinstance(settings.store, Path):
        return await EmbeddedCatalog.open(
            settings.store,
            attributes=shape[0],
            dimension=shape[1],
            fingerprint=encoder.fingerprint,
            store_images=settings.store_images,
        )
    return await RedisCatalog.open(
        settings.store,
        attributes=shape[0],
        dimension=shape[1],
        fingerprint=encoder.fingerprint,
        store_images=settings.store_images,
        partitions=settings.store_partitions,
    )


def _opened_cache(settings: Settings, stack: contextlib.AsyncExitStack) -> Cache:
    """A cache in this process, before one in Redis where the settings name it."""
    near = LruCache(settings.cache_mib * BYTES_PER_MIB)
    if not settings.cache_url:
        return near
    far = RedisCache(settings.cache_url, ttl_s=settings.cache_ttl_s)
    stack.push_async_callback(far.close)
    return LayeredCache(near, far)


def _levels(
    cache: Cache, batcher: Batcher[NDArray[np.uint8], ImageEmbedding], embedder: Embedder
) -> Levels:
    return Levels(
        cache_hits=cache.stats.hits,
        cache_misses=cache.stats.misses,
        cache_evictions=cache.stats.evictions,
        cache_bytes=cache.stats.bytes,
        cache_entries=cache.stats.entries,
        queue_images=batcher.depth,
        images_in_flight=embedder.in_flight,
    )
