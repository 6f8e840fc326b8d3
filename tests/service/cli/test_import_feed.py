import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.cli.opening import open_workplace, settings_with
from service.imports import running
from tests.service.imports.picture_server import Pictures, serving_pictures


@pytest.fixture
def pictures(photo: Callable[[int], bytes]) -> Iterator[Pictures]:
    with serving_pictures(photo) as pictures:
        yield pictures


@pytest.fixture(autouse=True)
def _allowing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAPEL_IMAGE_URLS", "on")
    monkeypatch.setenv("LAPEL_IMAGE_URL_LOOPBACK", "true")
    monkeypatch.setenv("LAPEL_STORE", str(tmp_path / "store"))


@pytest.fixture
def feed(pictures: Pictures, tmp_path: Path) -> Path:
    """Three garments; the price of the second is none and its image is gone."""
    pictures.gone.add("/2")
    lines = ["id,title,image_link,price"]
    lines += [f"g{n},Shirt {n},{pictures.url(f'/{n}')},{'?' if n == 2 else n}" for n in (1, 2, 3)]
    file = tmp_path / "feed.csv"
    file.write_text("\n".join(lines))
    return file


def metadata(catalog: str = "default") -> dict[str, object]:
    with open_workplace(settings_with()) as workplace:
        records = workplace.run(workplace.services.catalog.list(catalog, None, 100))
        return {record.id: record.metadata for record in records}


def test_the_summary_is_one_line_however_narrow_the_terminal(run, feed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    found = run("import", feed, "--dry-run")
    assert len(found.out.splitlines()) == 1
    assert found.out.endswith("images to fetch: 3\n")


def test_a_feed_is_stored_and_what_failed_is_told_and_written(run, feed, pictures, tmp_path):
    for name in ("errors.csv", "errors.ndjson"):
        (tmp_path / name).write_text("of an earlier run")
    first = run("import", feed, "--currency", "EUR", "--errors", tmp_path / "errors.csv")
    assert first.code == 1
    counts = "2 created, 0 replaced, 0 updated, 0 unchanged, 1 failed, 0 deleted"
    assert first.out == f"{counts}; images fetched: 3\n"
    assert '3 price: "?" is no price' in first.err
    assert "3 g2 images: http://127.0.0.1" in first.err
    assert metadata() == {
        f"g{n}": {
            "price": float(n),
            "currency": "EUR",
            "title": f"Shirt {n}",
            "images": [pictures.url(f"/{n}")],
            "image": pictures.url(f"/{n}"),
        }
        for n in (1, 3)
    }
    with (tmp_path / "errors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["number"], r["id"], r["column"], r["code"]) for r in rows] == [
        ("3", "", "price", "value_unreadable"),
        ("3", "g2", "images", "image_url_unreachable"),
    ]

    again = run("import", feed, "--currency", "EUR", "--errors", tmp_path / "errors.ndjson")
    assert again.out.startswith("0 created, 0 replaced, 0 updated, 2 unchanged, 1 failed")
    assert pictures.asked.count("/1") == pictures.asked.count("/3") == 1
    lines = [json.loads(line) for line in (tmp_path / "errors.ndjson").read_text().splitlines()]
    assert [(line["id"], line["code"]) for line in lines] == [
        (None, "value_unreadable"),
        ("g2", "image_url_unreachable"),
    ]


def test_a_dry_run_needs_no_urls_and_changes_nothing(run, feed, pictures, monkeypatch):
    monkeypatch.setenv("LAPEL_IMAGE_URLS", "off")
    done = run("import", feed, "--dry-run")
    assert done.out.startswith("would be: 3 created, 0 replaced")
    assert done.out.endswith("images to fetch: 3\n")
    assert (done.code, pictures.asked, metadata()) == (0, [], {})


def test_a_run_without_urls_says_how_to_allow_them(run, feed, monkeypatch):
    monkeypatch.setenv("LAPEL_IMAGE_URLS", "off")
    done = run("import", feed)
    assert (done.code, "LAPEL_IMAGE_URLS=on" in done.err) == (1, True)


def test_deleting_what_is_missing_spares_the_rest_and_other_catalogs(run, feed, pictures):
    pictures.gone.clear()
    run("import", feed)
    run("import", feed, "--catalog", "other")
    feed.write_text("".join(feed.read_text().splitlines(keepends=True)[:2]))
    assert run("import", feed).out.startswith("0 created, 0 replaced, 0 updated, 1 unchanged")
    assert set(metadata()) == {"g1", "g2", "g3"}
    assert "2 deleted" in run("import", feed, "--delete-missing").out
    assert (set(metadata()), set(metadata("other"))) == ({"g1"}, {"g1", "g2", "g3"})


def test_a_feed_without_a_product_deletes_nothing_and_fails(run, feed, pictures, tmp_path):
    pictures.gone.clear()
    run("import", feed)
    feed.write_text(feed.read_text().splitlines()[0])
    done = run("import", feed, "--delete-missing", "--errors", tmp_path / "errors.csv")
    assert (done.code, set(metadata())) == (1, {"g1", "g2", "g3"})
    assert "0 deleted" in done.out
    assert "no product that can be read, so nothing was deleted" in done.err
    assert "what came before" not in done.err
    assert "nothing_deleted" in (tmp_path / "errors.csv").read_text()
    assert run("import", feed).code == 0


def test_a_feed_that_breaks_off_keeps_what_came_before(run, pictures, tmp_path):
    item = f"<item><id>c</id><title>C</title><image_link>{pictures.url('/3')}</image_link></item>"
    broken = tmp_path / "broken.xml"
    broken.write_text(f"<rss><channel>{item}{item.replace('>c<', '>d<')}<item><id>e</id>")
    errors = tmp_path / "errors.csv"
    done = run("import", broken, "--delete-missing", "--errors", errors)
    assert (done.code, "c" in metadata()) == (1, True)
    assert done.out.startswith("1 created")
    assert "what came before it is stored, and nothing was deleted" in done.err
    assert "feed_unreadable" in errors.read_text()


def test_a_file_that_is_no_feed_is_refused_by_name(run, tmp_path):
    (tmp_path / "notes.txt").write_text("hello\nworld")
    done = run("import", tmp_path / "notes.txt")
    assert (done.code, done.out) == (1, "")
    assert "notes.txt: the columns are of no known feed" in done.err


def test_many_faults_are_counted_and_not_all_printed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "MAX_READ", 10)
    rows = "\n".join(f"g{n},T," for n in range(50))
    (tmp_path / "feed.csv").write_text(f"id,title,image_link\n{rows}")
    done = run("import", tmp_path / "feed.csv")
    assert done.err.count("no image to show it by") == 20
    assert "... and 30 more; --errors FILE has them all" in done.err
    assert "50 failed" in done.out
