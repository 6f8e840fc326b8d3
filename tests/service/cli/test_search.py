import asyncio
import json
import re

import pytest

from model.similarity import read_values
from service.app import create_app
from service.cli.opening import embed_file, settings_with
from tests.conftest import client_of


def test_search_finds_the_very_garment(run, store, shown):
    done = run("search", shown.file, "--by", shown.attributes[0], "--store", store, "--json")
    (first, *_) = json.loads(done.out)["hits"]
    assert first["id"] == shown.id
    assert first["attributes"][shown.attributes[0]] == pytest.approx(1, abs=1e-3)


async def test_search_answers_as_the_service_does(run, store, shown):
    by = {name: 1.0 / (place + 1) for place, name in enumerate(shown.attributes)}
    options = [part for name, weight in by.items() for part in ("--by", f"{name}={weight}")]
    options += ["--where", "price<=60", "--limit", "4", "--store", str(store), "--json"]
    printed = json.loads((await in_thread(run, "search", shown.file, *options)).out)
    request = {"attributes": by, "where": {"price": {"lte": 60}}, "limit": 4}
    async with client_of(create_app(settings_with(store=store))) as client:
        answer = await client.post(
            "/v1/search",
            files={"image": shown.file.read_bytes()},
            data={"request": json.dumps(request)},
        )
    expected = answer.json()
    del expected["took_ms"]
    assert printed == expected


def test_conditions_hold_for_every_hit_and_the_total_counts_them(run, store, shown):
    everything = json.loads(run("search", shown.file, "--store", store, "--json").out)
    cheap = json.loads(
        run("search", shown.file, "--where", "price<50", "--store", store, "--json").out
    )
    assert 0 < cheap["total"] < everything["total"]
    assert all(hit["metadata"]["price"] < 50 for hit in cheap["hits"])


def test_the_table_shows_what_was_looked_for_and_each_hit(run, store, shown):
    name = shown.attributes[0]
    done = run("search", shown.file, "--by", name, "--limit", 2, "--store", store)
    assert done.out.startswith(f"query  {name}: ")
    assert shown.id in done.out
    assert re.search(r"^2 of \d+ garments$", done.out, re.MULTILINE)


def test_the_table_says_what_each_hit_reads_as(run, store, shown, encoder, table):
    name = shown.attributes[0]
    done = run("search", shown.file, "--by", name, "--limit", 3, "--store", store)
    rows = [line.split() for line in done.out.splitlines() if line.startswith(" images-")]
    assert len(rows) == 3
    for id, _, value, *_ in rows:
        file = next((table.parent / "images").glob(f"{id.removeprefix('images-')}.*"))
        place = encoder.card.attribute_names.index(name)
        read = read_values(embed_file(encoder, file), encoder.card)[place]
        assert value == (read.value or "not")


def test_a_narrow_terminal_keeps_whole_ids_and_values(run, store, shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    by = [part for name in shown.attributes[:2] for part in ("--by", name)]
    for options in ([], by):
        done = run("search", shown.file, *options, "--limit", 2, "--store", store)
        lines = done.out.splitlines()
        assert max(map(len, lines)) <= 72
        assert any(line.startswith(f" {shown.id} ") for line in lines)


def test_a_replaced_value_is_what_is_looked_for(run, store, shown, encoder):
    name = shown.attributes[0]
    card = encoder.card.attributes[encoder.card.attribute_names.index(name)]
    options = ("--by", name, "--store", store, "--json")
    now = json.loads(run("search", shown.file, *options).out)["query"][name]["value"]
    other = next(value for value in card.values if value != now)
    swapped = json.loads(run("search", shown.file, "--replace", f"{name}={other}", *options).out)
    assert swapped["query"][name]["value"] == other
    wrong = run("search", shown.file, "--replace", f"{name}=nonsense", *options)
    assert (wrong.code, wrong.out) == (1, "")
    assert "nonsense" in wrong.err


def test_the_page_needs_nothing_beside_it(run, store, shown, tmp_path):
    file = tmp_path / "found.html"
    name = shown.attributes[0]
    run("search", shown.file, "--by", name, "--limit", 3, "--html", file, "--store", store)
    page = file.read_text()
    sources = re.findall(r'\b(?:src|href)="([^"]*)"', page)
    # The query, where the network looked in it, and three hits.
    assert len(sources) == 5
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"https?:|url\(|<script|<link|@import", page)
    assert shown.id in page


def test_the_page_shows_text_as_text(run, pictures, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f'id,file,note\n<b>x,{pictures[0]},"<script>alert(1)</script>"\n')
    assert run("index", table, "--store", tmp_path / "s").code == 0
    page = tmp_path / "found.html"
    done = run("search", pictures[0], "--html", page, "--store", tmp_path / "s")
    assert done.code == 0, done.err
    assert "<script" not in page.read_text()
    assert "&lt;b&gt;x" in page.read_text()


def test_a_hit_whose_picture_was_not_kept_has_an_empty_frame(run, shown, tmp_path, monkeypatch):
    monkeypatch.setenv("LAPEL_STORE_IMAGES", "false")
    run("index", shown.file.parent, "--store", tmp_path / "s")
    page = tmp_path / "found.html"
    run("search", shown.file, "--limit", 2, "--html", page, "--store", tmp_path / "s")
    assert page.read_text().count('class="none"') == 2


def test_an_attribute_that_the_query_does_not_show_is_said(run, store, encoder, pictures):
    unseen = [
        (file, name)
        for file in pictures
        for name, visible in zip(
            encoder.card.attribute_names, visibility(encoder, file), strict=True
        )
        if not visible
    ]
    if not unseen:
        pytest.skip("the model sees every attribute in every drawing")
    file, name = unseen[0]
    done = run("search", file, "--by", name, "--store", store)
    assert (done.code, done.out) == (1, "")
    assert name in done.err


def test_searching_makes_no_store(run, shown, tmp_path):
    done = run("search", shown.file, "--store", tmp_path / "none")
    assert done.code == 1
    assert "lapel index" in done.err
    assert not (tmp_path / "none").exists()


def test_an_unknown_attribute_is_named_with_those_there_are(run, store, shown, encoder):
    done = run("search", shown.file, "--by", "colar", "--store", store)
    assert done.code == 1
    assert "'colar'" in done.err
    assert encoder.card.attribute_names[0] in done.err


def visibility(encoder, file):
    return embed_file(encoder, file).visible[: len(encoder.card.attributes)] >= 0.5


async def in_thread(run, *arguments):
    return await asyncio.to_thread(run, *arguments)
