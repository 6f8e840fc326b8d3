"""The example shop beside a real service, both in processes of their own."""

import contextlib
import html
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from examples.shop.stock import write_stock
from tests.conftest import REPOSITORY, Server

pytest.importorskip("jinja2")

GARMENTS = 14
PATIENCE_S = 60.0
CATALOG = "shop"


class Shop:
    """The running shop; `feed` is what it sells."""

    def __init__(self, url: str, feed: Path) -> None:
        self.url = url
        self.feed = feed

    def page(self, product: str, **asked: str) -> str:
        answer = httpx.get(f"{self.url}/products/{product}", params=asked, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        return answer.text

    def rows(self) -> list[dict[str, str]]:
        names, *lines = (line.split("\t") for line in self.feed.read_text().splitlines())
        return [dict(zip(names, line, strict=True)) for line in lines]


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@contextlib.contextmanager
def running_shop(folder: Path, lapel_url: str, title: str = "") -> Iterator[Shop]:
    """The shop with its drawn stock; with `title`, that of its first product."""
    port = free_port()
    shop = Shop(
        f"http://127.0.0.1:{port}", write_stock(folder, f"http://127.0.0.1:{port}", GARMENTS)
    )
    if title:
        shop.feed.write_text(shop.feed.read_text().replace(shop.rows()[0]["title"], title))
    command = ["examples/shop/shop.py", shop.feed, "--lapel", lapel_url, "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "client")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers(shop.url):
            assert process.poll() is None, "the shop did not start"
            assert time.monotonic() < deadline, "the shop does not answer"
            time.sleep(0.05)
        yield shop
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def shown(page: str) -> list[str]:
    """Ids of the row's products, in its order."""
    row = page.partition('<section class="alike"')[2]
    return re.findall(r'class="card" href="/products/([^"?]+)', row)


def wait_for_row(shop: Shop, product: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not shown(page := shop.page(product, part="sleeve_length")):
        assert time.monotonic() < deadline, f"no row:\n{page}"
        time.sleep(0.1)
    return page


@pytest.mark.slow
def test_the_product_page_shows_what_lapel_finds_and_does_without_when_lapel_is_gone(
    start_server: Callable[..., Server], tmp_path: Path
):
    lapel = start_server(image_urls="on", image_url_loopback="true")
    with running_shop(tmp_path / "stock", lapel.url) as shop:
        products = {row["id"]: row for row in shop.rows()}
        shirt = next(id for id in products if id.startswith(("polo", "hoodie", "blouse", "dress")))
        wait_for_row(shop, shirt)
        wait_until_whole(lapel.url)
        page = shop.page(shirt, part="sleeve_length")
        assert "More with this sleeve" in page
        assert shown(page) == found_by_lapel(lapel.url, shirt, limit=6)
        assert len(shown(page)) == 6
        assert not {"out_of_stock"} & {products[id]["availability"] for id in shown(page)}

        lapel.kill()
        page = shop.page(shirt, part="sleeve_length")
        assert products[shirt]["title"] in page
        assert products[shirt]["price"] in page
        assert "More with" not in page


def wait_until_whole(lapel_url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        imports = httpx.get(f"{lapel_url}/v1/imports").json()["imports"]
        if imports and imports[0]["state"] == "done":
            assert imports[0]["counts"]["created"] == GARMENTS
            assert imports[0]["errors"] == 0
            return
        assert time.monotonic() < deadline, imports
        time.sleep(0.1)


def found_by_lapel(lapel_url: str, id: str, limit: int) -> list[str]:
    """All garments by falling similarity of the sleeve, those in stock, without the shop's help."""
    answer = httpx.post(
        f"{lapel_url}/v1/search",
        params={"catalog": CATALOG},
        json={"query": {"garment_id": id}, "attributes": {"sleeve_length": 1}, "limit": 100},
    )
    hits = answer.json()["hits"]
    stocked = [hit["id"] for hit in hits if hit["metadata"]["availability"] == "in_stock"]
    return stocked[:limit]


def test_a_shop_opens_before_lapel_does_and_shows_texts_as_texts(tmp_path: Path):
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running_shop(tmp_path / "stock", nowhere, title="Shirt & <b>tie</b>") as shop:
        front = httpx.get(shop.url).text
        assert all(html.escape(row["title"]) in front for row in shop.rows())
        first = shop.rows()[0]["id"]
        page = shop.page(first)
        assert "<h1>Shirt &amp; &lt;b&gt;tie&lt;/b&gt;</h1>" in page
        assert "More with" not in page
        assert httpx.get(f"{shop.url}/products/none").status_code == 404
        picture = httpx.get(f"{shop.url}/pictures/{first}.jpg")
        assert picture.content.startswith(b"\xff\xd8")
