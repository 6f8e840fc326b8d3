"""One model at work: its network, and the catalog as it sees it.

Two of them may be open in a process, while the vectors of the next are built beside those of the
one that answers.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.encoder import FINGERPRINT_DIGITS, Encoder, ImageEmbedding, ModelFileError
from service.batcher import Batcher
from service.cache import Cache
from service.catalog.models import CatalogStore, Model
from service.catalog.store import Catalog
from service.embedder import Embedder
from service.fetch.opening import Fetch
from service.images import Images
from service.ingest import Ingest
from service.metrics import Metrics
from service.piecewise import PiecewiseEncoder
from service.settings import Settings

CUDA_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True, eq=False)
class OneModel:
    """What answers with the vectors of one model.

    Attributes:
        encoder: the model.
        alone: the same with one thread, for work in the background.
        embedder: bytes to embeddings.
        catalog: what the model sees of the store.
        images: resolves what requests call an image.
        ingest: writes garments.
        queued: how many images wait for the network.
    """

    encoder: Encoder
    alone: Encoder
    embedder: Embedder
    catalog: Catalog
    images: Images
    ingest: Ingest
    queued: Callable[[], int]

    @property
    def fingerprint(self) -> str:
        """Of the model's file."""
        return self.encoder.fingerprint


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What all models of a process share."""

    settings: Settings
    store: CatalogStore
    cache: Cache
    metrics: Metrics
    fetch: Fetch


@contextlib.asynccontextmanager
async def open_model(encoder: Encoder, path: Path, around: Surroundings) -> AsyncIterator[OneModel]:
    """Put a model to work.

    Args:
        encoder: loaded from `path`.
        path: needed while opening only.
        around: what all models share.
    """
    settings = around.settings
    async with contextlib.AsyncExitStack() as stack:
        network = stack.enter_context(PiecewiseEncoder.of(encoder, path))
        batcher: Batcher[NDArray[np.uint8], ImageEmbedding] = Batcher(
            network.encode,
            max_batch=settings.batch_max_images,
            wait_ms=settings.batch_wait_ms,
            queue_size=settings.queue_max_images,
            on_batch=around.metrics.batch,
        )
        await stack.enter_async_context(batcher)
        embedder = await stack.enter_async_context(
            Embedder(encoder, batcher, around.cache, decode_threads=settings.decode_threads)
        )
        catalog = await around.store.view(model_of(encoder))
        images = Images(
            embedder,
            catalog,
            max_image_bytes=settings.max_image_bytes,
            max_together=2 * settings.batch_max_images,
            fetch=around.fetch,
            max_fetched=settings.image_url_fetches // 2,
        )
        ingest = Ingest(images, catalog)
        yield OneModel(
            encoder, network.alone, embedder, catalog, images, ingest, lambda: batcher.depth
        )


def open_encoder(settings: Settings, path: Path | None = None) -> Encoder:
    """A model, that of the settings unless a path is given, on the device of the settings.

    Raises:
        ModelFileError: the file, or the device, cannot be used.
    """
    path = path or settings.model_path
    if settings.device == "cuda":  # one thread feeds the device; batches are not cut into pieces
        return Encoder.load(path, threads=1, providers=CUDA_PROVIDERS)
    return Encoder.load(path, threads=settings.onnx_threads or None)


def model_of(encoder: Encoder) -> Model:
    """What the catalog must know of a model."""
    card = encoder.card
    return Model(encoder.fingerprint, card.spaces_count, card.embedding_dimension)


def fingerprint_of(data: bytes) -> str:
    """The fingerprint of a model's file."""
    return hashlib.sha256(data).hexdigest()[:FINGERPRINT_DIGITS]


def is_file_of(path: Path, fingerprint: str) -> bool:
    """Whether this is the file of that model."""
    try:
        return fingerprint_of(path.read_bytes()) == fingerprint
    except OSError:
        return False


@contextlib.asynccontextmanager
async def located(settings: Settings, store: CatalogStore, fingerprint: str) -> AsyncIterator[Path]:
    """A path of the file of a model: that of the settings, or a copy of the one in the store.

    Raises:
        ModelFileError: neither is this model.
    """
    if is_file_of(settings.model_path, fingerprint):
        yield settings.model_path
        return
    data = await store.model_file(fingerprint)
    if data is None or fingerprint_of(data) != fingerprint:
        raise ModelFileError(
            f"the store is served by the model {fingerprint}, whose file is neither in the store "
            f"nor at {settings.model_path}"
        )
    with on_disk(data) as path:
        yield path


@contextlib.contextmanager
def on_disk(data: bytes) -> Iterator[Path]:
    """Bytes as a file, for a while."""
    with tempfile.TemporaryDirectory(prefix="lapel-model-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        yield path
