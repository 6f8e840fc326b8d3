import json
import shlex
from pathlib import Path

import pytest

from model.encoder import SHIPPED_MODEL
from service.app import create_app
from service.cli.first_steps import Example, curl
from service.cli.opening import settings_with
from tests.conftest import client_of


@pytest.fixture
def shop(run, tmp_path):
    done = run("demo", "--store", tmp_path / "shop", "--count", 6)
    assert done.code == 0, done.err
    return tmp_path / "shop", done.out


def read(file):
    return Path(file).read_bytes()


async def ask(client, line):
    """Put a printed curl line to the application in this process."""
    _, _, url, *rest = shlex.split(line)
    given = list(zip(rest[::2], rest[1::2], strict=True))
    fields = dict(value.split("=", 1) for flag, value in given if flag == "-F")
    if fields:
        files = {name: read(v[1:]) for name, v in fields.items() if v.startswith("@")}
        data = {name: v for name, v in fields.items() if not v.startswith("@")}
        return await client.post(url, files=files, data=data)
    body = [value for flag, value in given if flag == "-d"]
    if body:
        return await client.post(url, content=body[0], headers={"content-type": "application/json"})
    return await client.get(url)


async def test_the_printed_curl_line_finds_garments(shop):
    store, printed = shop
    (line,) = [one for one in printed.splitlines() if "curl -s" in one]
    async with client_of(create_app(settings_with(store=store))) as client:
        answer = await ask(client, line[line.index("curl") :])
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["hits"]) == 3


def test_a_search_is_shown_at_once(shop):
    store, printed = shop
    assert f"--store {store}" in printed.splitlines()[0]
    assert "3 of 6 garments" in printed


def test_running_it_again_draws_and_stores_nothing(run, shop, monkeypatch):
    store, printed = shop
    monkeypatch.setattr("service.cli.demo.write_catalog", None)
    before = (store / "drawings" / "labels.csv").stat().st_mtime_ns
    assert run("demo", "--store", store, "--count", 6).out == printed
    assert (store / "drawings" / "labels.csv").stat().st_mtime_ns == before


async def test_metadata_say_what_was_drawn(shop):
    store, _ = shop
    async with client_of(create_app(settings_with(store=store))) as client:
        garments = (await client.get("/v1/garments")).json()["garments"]
    assert [garment["id"] for garment in garments] == [f"garment-{n:05d}" for n in range(6)]
    for garment in garments:
        assert {"garment_type", "brand", "price"} <= garment["metadata"].keys()
        assert not {"photographer", "split"} & garment["metadata"].keys()
        assert "na" not in garment["metadata"].values()


async def test_a_garment_without_a_file_is_searched_by_its_id(store, shown):
    line = curl(Example("default", shown.id, shown.attributes[0], None), "http://lapel")
    async with client_of(create_app(settings_with(store=store))) as client:
        answer = await ask(client, line)
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.text)["hits"]


async def test_an_empty_store_still_has_a_line_that_answers(tmp_path):
    settings = settings_with(store=tmp_path / "s", model_path=SHIPPED_MODEL)
    async with client_of(create_app(settings)) as client:
        answer = await ask(client, curl(None, "http://lapel"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["attributes"]["collar"]["similarity"] is not None
