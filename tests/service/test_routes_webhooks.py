"""Webhooks of shops: signed, written down, answered, then carried out."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api_schemas.imports import WebhookAnswer
from service.app import create_app
from service.catalog.store import GarmentRecord, StoreError
from service.imports import worker
from service.imports.changes import apply_change
from service.jobs import work_loop
from service.settings import Settings
from tests.conftest import client_of
from tests.service.imports.picture_server import FEEDS, Pictures, serving_pictures

SECRET = "hush, größer"
PATIENCE_S = 30
SHIRT = 788032119674292922


@pytest.fixture
def pictures(photo: Callable[[int], bytes]) -> Iterator[Pictures]:
    with serving_pictures(photo) as pictures:
        yield pictures


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    more = {"shopify_webhook_secret": SECRET, "woocommerce_webhook_secret": SECRET}
    secrets = {name: SecretStr(secret) for name, secret in more.items()}
    urls = {"image_urls": "on", "image_url_loopback": True}
    return settings.model_copy(update={**urls, **secrets})


@pytest.fixture
def app(allowing: Settings) -> FastAPI:
    return create_app(allowing)


@pytest.fixture
async def shop(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def shopify(topic: str, body: bytes, delivery: str, signed: str | None = None) -> dict[str, str]:
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": delivery,
        "X-Shopify-Shop-Domain": "northsea.myshopify.example",
        "X-Shopify-Hmac-SHA256": signature(body) if signed is None else signed,
        "Content-Type": "application/json",
    }


def woocommerce(topic: str, body: bytes, delivery: str) -> dict[str, str]:
    return {
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Delivery-ID": delivery,
        "X-WC-Webhook-Source": "https://shop.example/",
        "X-WC-Webhook-Signature": signature(body),
        "Content-Type": "application/json",
    }


def product(name: str, pictures: Pictures, **changes: Any) -> bytes:
    text = (FEEDS / name).read_text(encoding="utf-8")
    for host in ("https://cdn.shopify.example", "https://shop.example"):
        text = text.replace(host, pictures.url(""))
    return json.dumps({**json.loads(text), **changes}).encode()


async def send(
    client: httpx.AsyncClient, where: str, headers: dict[str, str], body: bytes, **params: str
) -> str:
    answer = await client.post(
        f"/v1/webhooks/{where}", content=body, headers=headers, params=params
    )
    assert answer.status_code == 200, answer.text
    return WebhookAnswer.model_validate_json(answer.content).status


async def stored(client: httpx.AsyncClient, catalog: str = "default") -> dict[str, dict[str, Any]]:
    page = await client.get("/v1/garments", params={"limit": 500, "catalog": catalog})
    return {one["id"]: one["metadata"] for one in page.json()["garments"]}


async def settled(app: FastAPI) -> None:
    """Until every webhook is carried out."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if app.state.desk._ledger.next_delivery() is None:
                return
            await asyncio.sleep(0.01)


async def test_shopifys_products_are_stored_changed_and_deleted(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures
):
    body = product("shopify_product.json", pictures)
    headers = shopify("products/create", body, "d1")
    assert await send(shop, "shopify", headers, body, catalog="spring", currency="EUR") == (
        "accepted"
    )
    await settled(app)
    first = await stored(shop, "spring")
    assert {"linen-camp-shirt", "linen-camp-shirt:White"} <= first.keys()
    assert {one["currency"] for one in first.values()} == {"EUR"}
    assert first["linen-camp-shirt"]["image"] in first["linen-camp-shirt"]["images"]

    variants = [v for v in json.loads(body)["variants"] if v["option1"] == "Navy"]
    fewer = product("shopify_product.json", pictures, variants=variants, title="New title")
    pictures.asked.clear()
    headers = shopify("products/update", fewer, "d2")
    await send(shop, "shopify", headers, fewer, catalog="spring", currency="EUR")
    await settled(app)
    assert {id: one["title"] for id, one in (await stored(shop, "spring")).items()} == {
        "linen-camp-shirt": "New title"
    }
    assert pictures.asked == []

    own = {"image": pictures.body("/1"), "metadata": b'{"shop_id": "1"}'}
    await shop.put("/v1/garments/own", files=own, params={"catalog": "spring"})
    gone = json.dumps({"id": SHIRT}).encode()
    await send(shop, "shopify", shopify("products/delete", gone, "d3"), gone, catalog="spring")
    await settled(app)
    assert (await stored(shop, "spring")).keys() == {"own"}


async def test_woocommerces_variations_stay_until_their_product_goes(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures
):
    parent = product("woocommerce_product.json", pictures)
    variation = product("woocommerce_variation.json", pictures)
    for topic, body, delivery in (
        ("product.created", parent, "1"),
        ("product.created", variation, "2"),
        ("product.updated", parent, "3"),
    ):
        await send(shop, "woocommerce", woocommerce(topic, body, delivery), body)
    await settled(app)
    assert (await stored(shop)).keys() == {"44", "47"}
    assert (await stored(shop))["47"]["group"] == "44"
    gone = json.dumps({"id": 44}).encode()
    await send(shop, "woocommerce", woocommerce("product.deleted", gone, "4"), gone)
    await settled(app)
    assert await stored(shop) == {}


async def test_a_delivery_that_comes_again_is_answered_and_not_repeated(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures
):
    body = product("shopify_product.json", pictures)
    headers = shopify("products/update", body, "same")
    assert await send(shop, "shopify", headers, body) == "accepted"
    await settled(app)
    await shop.delete("/v1/garments/linen-camp-shirt")
    assert await send(shop, "shopify", headers, body) == "known"
    await settled(app)
    assert "linen-camp-shirt" not in await stored(shop)
    elsewhere = {**headers, "X-Shopify-Shop-Domain": "another.myshopify.example"}
    assert await send(shop, "shopify", elsewhere, body) == "accepted"


@pytest.mark.parametrize("where", ["shopify", "woocommerce"])
async def test_a_wrong_signature_changes_nothing(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures, where: str
):
    body = product("shopify_product.json", pictures)
    good = shopify("products/update", body, "d") | woocommerce("product.updated", body, "d")
    names = ("X-Shopify-Hmac-SHA256", "X-WC-Webhook-Signature")
    unsigned = {name: value for name, value in good.items() if name not in names}
    for wrong in (signature(body, "another"), signature(body + b" "), "", "no base64!"):
        headers = {**unsigned, **dict.fromkeys(names, wrong)}
        answer = await shop.post(f"/v1/webhooks/{where}", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    answer = await shop.post(f"/v1/webhooks/{where}", content=body, headers=unsigned)
    assert answer.status_code == 401
    assert app.state.desk._ledger.next_delivery() is None
    await settled(app)
    assert (await stored(shop), pictures.asked) == ({}, [])
    if where == "shopify":  # a refused delivery is not known afterwards
        assert await send(shop, where, shopify("products/update", body, "d"), body) == "accepted"


async def test_without_a_secret_webhooks_are_off(client: httpx.AsyncClient):
    for where in ("shopify", "woocommerce"):
        body = b"{}"
        headers = shopify("products/update", body, "d", signature(body, ""))
        answer = await client.post(f"/v1/webhooks/{where}", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_configured")
        assert f"LAPEL_{where.upper()}_WEBHOOK_SECRET" in answer.json()["detail"]


async def test_woocommerces_unsigned_question_is_answered(shop: httpx.AsyncClient):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert await send(shop, "woocommerce", form, b"webhook_id=12") == "ping"
    answer = await shop.post("/v1/webhooks/shopify", content=b"webhook_id=12", headers=form)
    assert answer.status_code == 401


async def test_signed_nonsense_is_refused_or_ignored(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures, caplog: pytest.LogCaptureFixture
):
    body = product("shopify_product.json", pictures)
    for headers in (
        shopify("orders/create", body, "d1"),
        shopify("products/update", body, ""),
        shopify("", body, "d2"),
    ):
        answer = await shop.post("/v1/webhooks/shopify", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    good = shopify("products/update", body, "d3")
    answer = await shop.post("/v1/webhooks/shopify?currency=euro", content=body, headers=good)
    assert answer.status_code == 422
    for number, nonsense in enumerate((b"no json", b"[]", b'{"id": 1}')):
        headers = shopify("products/update", nonsense, f"n{number}")
        assert await send(shop, "shopify", headers, nonsense) == "accepted"
    await send(shop, "shopify", good, body)
    await settled(app)
    assert "linen-camp-shirt" in await stored(shop)
    assert "no JSON" in caplog.text


async def test_a_body_that_is_not_understood_deletes_nothing(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures
):
    body = product("shopify_product.json", pictures)
    await send(shop, "shopify", shopify("products/create", body, "d1"), body)
    bare = product("shopify_product.json", pictures, images=[], image=None)
    await send(shop, "shopify", shopify("products/update", bare, "d2"), bare)
    await settled(app)
    assert "linen-camp-shirt" in await stored(shop)


async def test_what_was_answered_is_carried_out_after_a_restart(
    allowing: Settings, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
):
    body = product("shopify_product.json", pictures)

    async def never(*arguments: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as stuck:
        stuck.setattr(worker, "apply_change", never)
        async with client_of(create_app(allowing)) as client:
            await send(client, "shopify", shopify("products/create", body, "d"), body)
            assert await stored(client) == {}
    assert worker.apply_change is apply_change
    app = create_app(allowing)
    async with client_of(app) as client:
        await settled(app)
        assert "linen-camp-shirt" in await stored(client)
        repeated = shopify("products/create", body, "d")
        assert await send(client, "shopify", repeated, body) == "known"


async def test_a_webhook_waits_for_a_store_that_is_away(
    app: FastAPI, shop: httpx.AsyncClient, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(work_loop, "FIRST_PAUSE_S", 0.01)
    put, refused = app.state.services.catalog.put, asyncio.Event()

    async def refuse(catalog: str, records: Sequence[GarmentRecord]) -> list[bool]:
        refused.set()
        raise StoreError("gone")

    monkeypatch.setattr(app.state.services.catalog, "put", refuse)
    body = product("shopify_product.json", pictures)
    await send(shop, "shopify", shopify("products/create", body, "d"), body)
    await refused.wait()
    monkeypatch.setattr(app.state.services.catalog, "put", put)
    await settled(app)
    assert "linen-camp-shirt" in await stored(shop)
