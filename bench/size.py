"""Bytes per garment: on disk with and without its photograph, and in memory once opened.

Memory is what a fresh process grows by when it opens the folder, since the allocator's and the
dictionaries' share is in no array's `nbytes`. Only memory of its own counts, not the pages of
files that the kernel could take back.
"""

import asyncio
import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import JsonValue

from bench.pictures import jpeg
from bench.report import Report
from bench.timing import Progress
from model.encoder import SHIPPED_MODEL, Encoder
from service.cache import ENTRY_OVERHEAD_BYTES
from service.catalog.embedded import EmbeddedCatalog
from service.catalog.store import GarmentRecord

FINGERPRINT = "0" * 16
PER_WRITE = 500
BRANDS = 40


def measure(progress: Progress, *, quick: bool) -> Report:
    """Fill two folders and weigh them."""
    with_images, without = (200, 10_000) if quick else (2_000, 100_000)
    card = Encoder.load(SHIPPED_MODEL).card
    shape = (card.spaces_count, card.embedding_dimension)
    images = [jpeg(number) for number in range(min(with_images, 200))]
    with tempfile.TemporaryDirectory(prefix="lapel-bench-") as folder:
        large, small = Path(folder) / "with", Path(folder) / "without"
        progress(f"writing {with_images:,} garments with images")
        asyncio.run(_fill(large, shape, with_images, images))
        progress(f"writing {without:,} garments without images")
        asyncio.run(_fill(small, shape, without, []))
        progress(f"opening {without:,} garments")
        opened = _opened(small, shape)
        rows = _rows(
            shape,
            image=sum(map(len, images)) / len(images),
            with_image=_on_disk(large) / with_images,
            without_image=_on_disk(small) / without,
            in_memory=opened.bytes / without,
        )
    return Report(
        name="size",
        title="Bytes per garment",
        method=f"Catalogs of {with_images:,} garments with their images and {without:,} without, "
        f"{shape[0]} attributes of {shape[1]} dimensions, metadata of "
        f"{len(json.dumps(_metadata(0)))} bytes. On disk: the folder after closing. In memory: "
        "what a fresh process grows by on opening it.",
        columns=("where", "bytes", "of which"),
        rows=rows,
        notes=(f"opening {without:,} garments took {opened.seconds:.1f} s",),
    )


def _rows(
    shape: tuple[int, int],
    *,
    image: float,
    with_image: float,
    without_image: float,
    in_memory: float,
) -> list[tuple[str, str, str]]:
    numbers = shape[0] * shape[1]
    return [
        ("on disk, with its image", f"{with_image:,.0f}", f"{image:,.0f} the image"),
        ("on disk, without", f"{without_image:,.0f}", f"{2 * numbers:,} vectors, float16"),
        ("in memory, stored garment", f"{in_memory:,.0f}", f"{4 * numbers:,} vectors, float32"),
        (
            "in memory, cached image",
            f"{_cached_bytes() + ENTRY_OVERHEAD_BYTES:,}",
            f"{4 * numbers:,} vectors, float32",
        ),
    ]


async def _fill(folder: Path, shape: tuple[int, int], count: int, images: Sequence[bytes]) -> None:
    rng = np.random.default_rng(0)
    catalog = await EmbeddedCatalog.open(
        folder, attributes=shape[0], dimension=shape[1], fingerprint=FINGERPRINT
    )
    for start in range(0, count, PER_WRITE):
        numbers = range(start, min(start + PER_WRITE, count))
        await catalog.put("default", [_garment(number, shape, rng, images) for number in numbers])
    await catalog.close()


def _garment(
    number: int, shape: tuple[int, int], rng: np.random.Generator, images: Sequence[bytes]
) -> GarmentRecord:
    vectors = rng.standard_normal(shape, dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=-1)
    return GarmentRecord(
        id=f"garment-{number:07d}",
        metadata=_metadata(number),
        vectors=(vectors / norms[:, None]).astype(np.float16),
        norms=norms,
        visible=np.ones(shape[0], np.float32),
        image_sha256=f"{number:064x}",
        image=images[number % len(images)] if images else None,
    )


def _metadata(number: int) -> dict[str, JsonValue]:
    return {"brand": f"brand-{number % BRANDS}", "price": number % 200, "in_stock": True}


def _on_disk(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


class _Opened(NamedTuple):
    """What a process grew by on opening a folder, and how long that took."""

    bytes: int
    seconds: float


def _opened(folder: Path, shape: tuple[int, int]) -> _Opened:
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(_open_and_weigh, (folder, shape))


def _open_and_weigh(folder: Path, shape: tuple[int, int]) -> _Opened:
    return asyncio.run(_weighed(folder, shape))


async def _weighed(folder: Path, shape: tuple[int, int]) -> _Opened:
    before = _own_memory()
    begun = time.perf_counter()
    catalog = await EmbeddedCatalog.open(
        folder, attributes=shape[0], dimension=shape[1], fingerprint=FINGERPRINT
    )
    seconds = time.perf_counter() - begun
    grown = _own_memory() - before
    await catalog.close()
    return _Opened(grown, seconds)


def _own_memory() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _cached_bytes() -> int:
    encoder = Encoder.load(SHIPPED_MODEL)
    side = encoder.card.preprocessing.input_size
    return encoder.encode(np.zeros((1, side, side, 3), np.uint8))[0].nbytes
