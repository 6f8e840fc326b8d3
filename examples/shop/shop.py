"""A shop whose product pages show more garments with the same collar.

The shop's own table says what is sold and for how much; Lapel says which garments are alike, and
nothing else. So a page without Lapel is the same page without one row.
"""

import argparse
import asyncio
import contextlib
import csv
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from lapel_client import AsyncLapelClient, LapelError, ProblemError, Retries, StoredGarment
from lapel_client.answers import GarmentAnswer, ImportAnswer

logger = logging.getLogger("shop")

HERE = Path(__file__).parent
CATALOG = "shop"
PARTS = {
    "collar": "collar",
    "neckline": "neckline",
    "sleeve_length": "sleeve",
    "pattern": "pattern",
    "color": "colour",
}
"""Attributes that customers may ask for more of, and what the page calls them."""
SURELY_VISIBLE = 0.8
"""Probability from which on a garment is said to have a sleeve at all."""
IN_THE_ROW = 6
PAGE_TIMEOUT_S = 1.0
"""A product page waits for Lapel no longer than this."""
PAUSE_S = 5.0
"""After a failure, pages do without Lapel for so long, and do not wait at all."""
SYNC_EVERY_S = 3600.0
SYNC_AGAIN_S = 10.0
"""After a failure."""
POLL_S = 0.5


@dataclass(frozen=True)
class Product:
    """What the shop sells, as its feed has it."""

    id: str
    title: str
    brand: str
    price: str
    image_link: str
    availability: str


@dataclass(frozen=True)
class Row:
    """Products alike in one part.

    Attributes:
        part: which of `PARTS`.
        parts: those that the garment has.
        products: the most alike first.
    """

    part: str
    parts: list[str]
    products: list[Product]


def create_shop(feed: Path, lapel_url: str) -> FastAPI:
    """The shop.

    Args:
        feed: tab-separated, with the columns of a Google Merchant Center feed; its pictures lie
            in `pictures` beside it.
        lapel_url: where Lapel answers, now or later.
    """
    products = read_feed(feed)
    alike = Alike(lapel_url, products)
    pages = Jinja2Templates(HERE / "pages")

    @contextlib.asynccontextmanager
    async def lifespan(shop: FastAPI) -> AsyncIterator[None]:
        syncing = asyncio.create_task(keep_in_step(feed, lapel_url))
        yield
        syncing.cancel()
        await asyncio.gather(syncing, return_exceptions=True)
        await alike.aclose()

    shop = FastAPI(title="Shop", lifespan=lifespan, openapi_url=None)
    shop.mount("/pictures", StaticFiles(directory=feed.parent / "pictures"))
    shop.mount("/pages", StaticFiles(directory=HERE / "pages"))

    @shop.get("/")
    async def front(request: Request) -> HTMLResponse:
        return pages.TemplateResponse(request, "front.html", {"products": products.values()})

    @shop.get("/products/{product_id}")
    async def product(request: Request, product_id: str, part: str = "collar") -> HTMLResponse:
        if product_id not in products:
            raise HTTPException(404, "We do not have this garment any more.")
        row = await alike.row(product_id, part)
        shown = {"product": products[product_id], "row": row, "names": PARTS}
        return pages.TemplateResponse(request, "product.html", shown)

    return shop


def read_feed(feed: Path) -> dict[str, Product]:
    """The products by id."""
    names = Product.__dataclass_fields__
    with feed.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, dialect="excel-tab")
        return {line["id"]: Product(**{name: line[name] for name in names}) for line in lines}


class Alike:
    """Asks Lapel which products are alike, and never lets a page fail or wait for long."""

    def __init__(self, lapel_url: str, products: Mapping[str, Product]) -> None:
        self._lapel = AsyncLapelClient(
            lapel_url, timeout_s=PAGE_TIMEOUT_S, retries=Retries(attempts=1)
        )
        self._products = products
        self._quiet_until = 0.0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._lapel.aclose()

    async def row(self, product_id: str, part: str) -> Row | None:
        """Products like this one, or None where Lapel cannot say.

        Args:
            product_id: also the garment's id in Lapel, since the feed has it.
            part: which of `PARTS` is to be alike; another where the garment does not have it.
        """
        if time.monotonic() < self._quiet_until:
            return None
        try:
            async with asyncio.timeout(PAGE_TIMEOUT_S):
                return await self._asked(product_id, part)
        except (LapelError, TimeoutError) as exc:
            logger.warning("no row for %s: %s", product_id, exc)
            if not isinstance(exc, ProblemError):
                self._quiet_until = time.monotonic() + PAUSE_S
            return None

    async def _asked(self, product_id: str, part: str) -> Row | None:
        garment = await self._lapel.get_garment(product_id, catalog=CATALOG)
        parts = [name for name in PARTS if _has(garment, name)]
        if not parts:
            return None
        part = part if part in parts else parts[0]
        found = await self._lapel.search(
            StoredGarment(product_id),
            attributes=[part],
            where={"availability": "in_stock"},
            limit=IN_THE_ROW,
            catalog=CATALOG,
        )
        products = [self._products[hit.id] for hit in found.hits if hit.id in self._products]
        return Row(part, parts, products) if products else None


def _has(garment: GarmentAnswer, part: str) -> bool:
    read = garment.attributes.get(part)
    return read is not None and read.visible >= SURELY_VISIBLE and read.value != "none"


async def keep_in_step(feed: Path, lapel_url: str) -> None:
    """Hand the feed to Lapel, now and every hour; Lapel looks only at what is new in it."""
    async with AsyncLapelClient(lapel_url) as lapel:
        while True:
            pause_s = SYNC_EVERY_S
            try:
                await _sync(lapel, feed)
            except LapelError as exc:
                logger.warning("Lapel does not have the feed yet: %s", exc)
                pause_s = SYNC_AGAIN_S
            await asyncio.sleep(pause_s)


async def _sync(lapel: AsyncLapelClient, feed: Path) -> None:
    job = await lapel.post_import(feed, catalog=CATALOG, delete_missing=True)
    while job.state in ("waiting", "running"):
        await asyncio.sleep(POLL_S)
        job = await lapel.get_import(job.id)
    logger.info("the feed is %s: %s", job.state, _told(job))
    for fault in (await lapel.get_errors(job.id))[:10]:
        logger.warning("line %d, %s: %s", fault.number, fault.id, fault.message)


def _told(job: ImportAnswer) -> str:
    counts = job.counts.model_dump()
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing new"


def main() -> None:
    """Serve the shop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feed", type=Path, help="feed.tsv, beside a folder of pictures")
    parser.add_argument("--lapel", default="http://127.0.0.1:8000", help="where Lapel answers")
    parser.add_argument("--port", type=int, default=9000)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(create_shop(arguments.feed, arguments.lapel), port=arguments.port)


if __name__ == "__main__":
    main()
