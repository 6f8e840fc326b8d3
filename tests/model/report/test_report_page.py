import dataclasses
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from model.attention import Hiding, Peaks
from model.further import FurtherQuality
from model.report.extras import EXTRA, MissingLibraryError
from model.report.findings import find
from model.report.page import render
from model.report.queries import HITS, Counts
from model.report.space import MIN_POINTS, lay_out
from model.report.tiles import Tiles
from model.robustness import Robustness
from tests.model.report.reading import read_page

REPOSITORY = Path(__file__).parents[3]
FURTHER = FurtherQuality(
    robustness={
        "mirror": Robustness(images=9, of=10, clean={"collar": 0.6}, changed={"collar": 0.60003})
    },
    drawn_background=Robustness(images=5, of=5, clean={"color": 0.5}, changed={"color": 0.25}),
    hiding={"collar": Hiding(images=9, attended=0.6, elsewhere=0.2)},
    peaks={"collar": Peaks(images=9, inside=0.75, by_chance=0.1)},
)


@pytest.fixture(scope="module")
def found(encoder, drawn):
    return find(
        encoder,
        drawn,
        split="all",
        data="labels.csv",
        file_bytes=7_004_000,
        names=["collar", "color"],
        counts=Counts(worst=1, typical=1, best=1),
    )


@pytest.fixture(scope="module")
def html(found, drawn):
    return render(found, Tiles(drawn.table.files, "pad"))


@pytest.fixture(scope="module")
def page(html):
    return read_page(html)


def section(page, name):
    return next(each for each in page.all("section") if each["id"] == f"attribute-{name}")


def test_the_page_asks_for_nothing_outside_itself(page, html):
    references = [
        element.attributes[name]
        for element in page.all()
        for name in ("src", "href", "srcset", "data")
        if name in element.attributes
    ]
    assert references
    assert all(each.startswith(("#", "data:image/webp;base64,")) for each in references)
    assert not page.all("link")
    assert set(re.findall(r"url\((.)", html)) <= {"#"}
    assert "@import" not in html


def test_links_within_the_page_lead_somewhere_and_ids_are_unique(page):
    ids = [element["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    targets = {e["href"][1:] for e in page.all() if e.get("href").startswith("#")}
    targets |= {e["fill"][5:-1] for e in page.all() if e.get("fill").startswith("url(#")}
    assert targets <= set(ids)


def test_everything_seen_has_words(page):
    assert all(image.get("alt") for image in page.all("img") if image.get("src"))
    for svg in page.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    for table in page.all("table"):
        assert table.all("caption")[0].text
        assert all(header.get("scope") in ("row", "col") for header in table.all("th"))


def test_the_header_is_the_card(page, encoder):
    said = page.all("header")[0].text
    card = encoder.card
    for words in (
        *(card.name, card.version, card.licence, encoder.fingerprint, "7.0 MB"),
        *(card.provenance.data_licence, str(card.provenance.training_images)),
    ):
        assert words in said


def test_the_table_has_the_measured_figures_of_every_attribute(page, found):
    table = page.all("table", "figures")[0]
    rows = {row.all("th")[0].text: row.text for row in table.all("tbody")[0].all("tr")}
    assert len(rows) == len(found.quality.attributes)
    for name, measured in found.quality.attributes.items():
        row = rows[name.replace("_", " ").capitalize()]
        for figure in (
            measured.retrieval.map_other_photographers,
            measured.retrieval_random_order.map_other_photographers,
            measured.retrieval.recall_at_1,
            measured.value_accuracy,
        ):
            assert f"{figure:.3f}" in row


def test_queries_come_the_worst_first_with_what_was_read_and_where_the_network_looked(page, found):
    kinds = section(page, "collar").all("div", "kind")
    assert [kind.all("h4")[0].text.split()[0] for kind in kinds] == ["Worst", "Typical", "Best"]
    shown = section(page, "collar").all("div", "query")
    queries = found.attributes[0].queries
    for element, query in zip(shown, queries, strict=True):
        assert f"AP {query.precision:.2f}" in element.text
        assert (query.reading.value or "not visible") in element.all("figure", "looked")[0].text


def test_right_and_wrong_hits_are_told_apart_by_class_sign_and_words(page, found):
    shown = section(page, "collar").all("div", "query")
    for element, query in zip(shown, found.attributes[0].queries, strict=True):
        items = element.all("ol", "hits")[0].all("li")
        assert len(items) == len(query.hits) <= HITS
        for item, hit in zip(items, query.hits, strict=True):
            word, sign = ("right", "✓") if hit.right else ("wrong", "✗")
            assert item["class"] == word
            assert item.all("span", "sign")[0].text == sign
            assert f", {word}: {hit.value}" in item.all("img")[0]["alt"]
            assert f"{hit.similarity:.2f}" in item.text
    assert {item["class"] for item in page.all("li") if "class" in item.attributes} == {
        "right",
        "wrong",
    }


def test_the_map_has_a_mark_and_a_thumbnail_for_every_garment(page, html, found):
    thumbnails = json.loads(page.all("script")[0].texts[0])
    for name, each in zip(("collar", "color"), found.attributes, strict=True):
        groups = section(page, name).all("svg", "map")[0].all("g")
        marks = {
            (int(use["data-row"]), group["data-value"], use.get("data-read"))
            for group in groups
            for use in group.all("use")
        }
        assert marks == {(p.row, p.value, "" if p.right else p.read) for p in each.points}
        assert {str(row) for row, _, _ in marks} <= thumbnails.keys()
        counted = {
            b["data-value"]: b.all("small")[0].text for b in section(page, name).all("button")
        }
        assert counted == {
            value: str(sum(p.value == value for p in each.points))
            for value in {p.value for p in each.points}
        }


def test_the_confusion_table_has_the_counts(page, found):
    table = section(page, "collar").all("table", "confusion")[0]
    confusion = found.attributes[0].confusion
    heads = [head.text for head in table.all("thead")[0].all("th")]
    assert heads == ["label", *confusion.read, "read right"]
    for row, label, counts in zip(
        table.all("tbody")[0].all("tr"), confusion.labelled, confusion.counts, strict=True
    ):
        assert row.all("th")[0].text.split() == [*label.split(), str(counts.sum())]
        assert [int(cell.text or 0) for cell in row.all("td")[:-1]] == counts.tolist()
        framed = [
            head
            for cell, head in zip(row.all("td"), heads[1:], strict=True)
            if "same" in cell.get("class")
        ]
        assert framed == ([label] if label in confusion.read else [])


def test_calibration_errors_stand_beside_their_floor_and_that_of_all_attributes(page, found):
    pooled = found.calibration.pooled
    for name, each in zip(("collar", "color"), found.attributes, strict=True):
        value, same = section(page, name).all("figure", "diagram")
        for said, checked, general, rows in (
            (value.text, each.calibration.value, pooled.value, "garments"),
            (same.text, each.calibration.same_value, pooled.same_value, "pairs"),
        ):
            assert f"Calibration error {checked.error:.3f};" in said
            assert f"show {checked.floor.mean:.3f} on {checked.rows} {rows}" in said
            assert f"below {checked.floor.percentile_95:.3f}." in said
            assert f"together: {general.error:.3f}, perfect {general.floor.mean:.3f}." in said


def test_the_same_findings_make_the_same_page(html, found, drawn):
    assert render(found, Tiles(drawn.table.files, "pad")) == html


def test_names_with_markup_stay_names(encoder, drawn):
    hostile = '</script><b>"&'
    cells = {"collar": tuple(hostile if c == "shirt" else c for c in drawn.table.cells["collar"])}
    table = dataclasses.replace(drawn.table, cells=cells)
    found = find(
        encoder,
        dataclasses.replace(drawn, table=table),
        split="<i>",
        data="<u>.csv",
        file_bytes=1,
        counts=Counts(worst=2),
    )
    page = read_page(render(found, Tiles(table.files, "pad")))
    assert not page.all("i")
    assert not page.all("u")
    assert hostile in page.all("table", "confusion")[0].text
    assert hostile in {group["data-value"] for group in page.all("g")}


def test_what_was_not_measured_further_is_not_spoken_of(page):
    assert {each["id"] for each in page.all("section")} == {
        *("figures", "attribute-collar", "attribute-color")
    }


def test_changes_and_attention_get_their_tables(found, drawn):
    further = dataclasses.replace(found, further=FURTHER)
    page = read_page(render(further, Tiles(drawn.table.files, "pad")))
    by_id = {each["id"]: each for each in page.all("section")}
    mirror, background = (row.text for row in by_id["robustness"].all("tbody")[0].all("tr"))
    assert "0.600 0.600 +0.0 +0.0 – 9 of 10" in mirror
    assert "0.250 0.500 +25.0 – +25.0 5 of 5" in background
    (attention,) = by_id["attention"].all("tbody")[0].all("tr")
    assert "0.600 0.200 3.0×" in attention.text
    assert "0.750 0.100" in attention.text
    assert "60 %" in by_id["attribute-collar"].all("ul", "stats")[0].text


def test_too_few_garments_are_shown_without_a_map(encoder, drawn):
    rows = [r for r, cell in enumerate(drawn.table.cells["collar"]) if cell not in ("", "na")]
    rows = rows[: MIN_POINTS - 1]
    few = dataclasses.replace(
        drawn,
        table=drawn.table.take(rows),
        vectors=drawn.vectors[rows],
        visible=drawn.visible[rows],
        global_vectors=drawn.global_vectors[rows],
    )
    found = find(encoder, few, split="", data="", file_bytes=1, names=["collar"], counts=Counts(1))
    page = read_page(render(found, Tiles(few.table.files, "pad")))
    assert "Too few garments for a map" in section(page, "collar").text
    assert not page.all("svg", "map")


def test_a_missing_library_is_named_with_the_extra_that_brings_it(found, drawn, monkeypatch):
    hint = re.escape(f'pip install "lapel[{EXTRA}]"')
    for module in ("jinja2", "sklearn.manifold"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingLibraryError, match=f"jinja2.*{hint}"):
        render(found, Tiles(drawn.table.files, "pad"))
    with pytest.raises(MissingLibraryError, match=f"sklearn.*{hint}"):
        lay_out(drawn.vectors[:, 0])


def test_the_extra_that_is_named_brings_scikit_learn():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    brought = project["optional-dependencies"][EXTRA]
    assert any(each.startswith("scikit-learn") for each in brought)
