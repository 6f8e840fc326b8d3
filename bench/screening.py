"""Screening time: designs against a catalog of suspects, from stored vectors.

The vectors are synthetic and go through the store's own door. Each garment's lies near one of a few
directions per attribute, so that likenesses are spread as among real garments instead of all being
none; some suspects are copies of designs, so that there is something to find. What others feel
meanwhile is measured beside it: how late the event loop is, and how long a search takes.
"""

import asyncio
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_schemas.screens import ScreenRequest
from bench.report import Goal, Report
from bench.timing import Progress
from service.catalog.store import Catalog, GarmentRecord, Query
from service.screening.garments import PAGE
from service.screening.running import prepare
from service.screening.tally import Tally, found
from service.services import Services, open_services
from service.settings import Settings

DESIGNS = 100
SIZES = (10_000, 100_000)
VALUES = 8
"""Directions per attribute that the vectors lie near."""
SPREAD = 0.6
"""Length of what is added to a direction; the cosine of two of one value is about 1 / 1.36."""
COPIES = 50
GOAL_S = 60.0
TICK_S = 0.01
WRITTEN_TOGETHER = 1_000
KIB_PER_MIB = 1 << 10


def measure(progress: Progress, *, quick: bool, sizes: Sequence[int] = ()) -> Report:
    """Time a screen of so many suspects, one size after the other."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    goals: list[Goal] = []
    for size in sizes or (SIZES[:1] if quick else SIZES):
        with tempfile.TemporaryDirectory() as folder:
            taken = asyncio.run(_measured(Path(folder), size, progress))
        rows.append(taken.row)
        notes.append(taken.note)
        if size >= max(SIZES):
            goals.append(Goal(f"a minute over the time of {size:,}", 1.0, GOAL_S / taken.seconds))
    return Report(
        name="screening",
        title="Screening",
        method=f"Seconds to compare {DESIGNS} designs with N suspects in every attribute that the "
        "model's policy counts, and to rank what is found. Reading: the garments alone, in pages. "
        "Memory: growth of the process's peak. Late: the longest that the event loop was held up. "
        "Search: median over searches made one after the other, before and meanwhile.",
        columns=(
            "suspects",
            "pairs",
            "seconds",
            "of which reading",
            "million pairs/s",
            "memory MiB",
            "late ms",
            "search before ms",
            "search meanwhile ms",
        ),
        rows=rows,
        goals=goals,
        notes=notes,
    )


class _Taken:
    def __init__(self, seconds: float, row: tuple[str, ...], note: str) -> None:
        self.seconds, self.row, self.note = seconds, row, note


async def _measured(folder: Path, size: int, progress: Progress) -> _Taken:
    async with open_services(Settings(store=folder)) as services:
        card = services.card
        made = _Vectors(card.spaces_count, card.embedding_dimension)
        designs = made.next(DESIGNS)
        await _write(services.catalog, "designs", designs)
        for start in range(0, size, WRITTEN_TOGETHER):
            progress(f"{size:,} suspects, writing {start:,}")
            vectors = made.next(min(WRITTEN_TOGETHER, size - start))
            if start == 0:
                vectors[:COPIES] = designs[:COPIES]
            await _write(services.catalog, "suspects", vectors, start)
        progress(f"{size:,} suspects, reading")
        reading_s = await _read(services.catalog)
        before = [await _search_ms(services, designs[0]) for _ in range(20)]
        progress(f"{size:,} suspects, screening")
        return await _screened(services, designs[0], size, reading_s, before)


async def _screened(
    services: Services,
    design: NDArray[np.float16],
    size: int,
    reading_s: float,
    before: Sequence[float],
) -> _Taken:
    request = ScreenRequest.model_validate(
        {"designs": {"catalog": "designs"}, "suspects": {"catalog": "suspects"}}
    )
    peak = _peak_mib()
    late, searches = _Late(), _Searches(services, design)
    meanwhile = [asyncio.create_task(late.watch()), asyncio.create_task(searches.repeat())]
    begun = time.perf_counter()
    tally = Tally(await prepare(request, services), request.limit_per_design)
    async for _ in found(tally):
        pass
    seconds = time.perf_counter() - begun
    for task in meanwhile:
        task.cancel()
    await asyncio.gather(*meanwhile, return_exceptions=True)
    summary = tally.summary()
    own = {f"{one['design']['id']}" for one in tally.findings() if _is_copy(one)}
    if len(own) < min(COPIES, size):
        raise RuntimeError(f"{len(own)} of {COPIES} planted copies were found")
    row = (
        f"{size:,}",
        f"{summary['pairs']:,}",
        f"{seconds:.1f}",
        f"{reading_s:.1f}",
        f"{summary['pairs'] / seconds / 1e6:.2f}",
        f"{_peak_mib() - peak:.0f}",
        f"{1e3 * late.worst_s:.0f}",
        f"{np.median(before):.1f}",
        f"{np.median(searches.taken):.1f}",
    )
    rate = summary["threshold"]["max_false_accusation_rate"]
    note = (
        f"{size:,} suspects: all {COPIES} planted copies found, {summary['findings']:,} findings "
        f"kept at a rate of {rate:.1e}, {summary['expected_false_findings']:,.0f} expected by "
        "chance if the garments were real and unrelated"
    )
    return _Taken(seconds, row, note)


class _Vectors:
    """Garments that show everything, of random values in every space."""

    def __init__(self, spaces: int, dimension: int) -> None:
        self._rng = np.random.default_rng(0)
        self._shape = (spaces, dimension)
        self._values = _unit(self._rng.standard_normal((spaces, VALUES, dimension)))

    def next(self, count: int) -> NDArray[np.float16]:
        """(count, S, D)."""
        spaces, dimension = self._shape
        chosen = self._rng.integers(VALUES, size=(count, spaces))
        noise = _unit(self._rng.standard_normal((count, spaces, dimension)))
        vectors = self._values[np.arange(spaces), chosen] + SPREAD * noise
        return _unit(vectors).astype(np.float16)


class _Late:
    """How much later than asked for the event loop came back, at worst."""

    worst_s = 0.0

    async def watch(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.worst_s = max(self.worst_s, time.perf_counter() - asked - TICK_S)


class _Searches:
    """One search after the other."""

    def __init__(self, services: Services, design: NDArray[np.float16]) -> None:
        self.taken: list[float] = []
        self._services, self._design = services, design

    async def repeat(self) -> None:
        while True:
            self.taken.append(await _search_ms(self._services, self._design))
            await asyncio.sleep(20 * TICK_S)


async def _search_ms(services: Services, design: NDArray[np.float16]) -> float:
    query = Query(design[:1].astype(np.float32), (0,), (1.0,), limit=20)
    begun = time.perf_counter()
    await services.catalog.search("suspects", query)
    return (time.perf_counter() - begun) * 1e3


async def _write(catalog: Catalog, name: str, vectors: NDArray[np.float16], first: int = 0) -> None:
    ones = np.ones(vectors.shape[1], np.float32)
    garments = [
        GarmentRecord(f"{name}-{number:07d}", {}, own, ones, ones, f"{number:064x}")
        for number, own in enumerate(vectors, first)
    ]
    await catalog.put(name, garments)


async def _read(catalog: Catalog) -> float:
    begun = time.perf_counter()
    after: str | None = None
    while page := await catalog.list("suspects", after, PAGE):
        after = page[-1].id
    return time.perf_counter() - begun


def _is_copy(finding: dict[str, dict[str, str]]) -> bool:
    own, other = finding["design"]["id"], finding["suspect"]["id"]
    return own.rpartition("-")[2] == other.rpartition("-")[2]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit
