import csv
import functools
import sys

import pytest

from model.encoder import SHIPPED_MODEL
from model.further import measure_all, pictures_to_do
from service.cli import measuring


@pytest.fixture
def whole(table, tmp_path):
    """The drawn garments, all in one split."""
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    path = tmp_path / "labels.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"file": table.parent / row["file"], "split": "test"})
    return path


def test_one_page_is_written_and_its_place_printed(run, whole, tmp_path):
    out = tmp_path / "new" / "report"
    done = run("report", SHIPPED_MODEL, "--data", whole, "--out", out)
    assert done.code == 0, done.err
    assert done.out.strip() == str(out / "index.html")
    assert [file.name for file in out.iterdir()] == ["index.html"]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert 'id="attribute-collar"' in page
    assert 'id="robustness"' not in page


def test_only_the_attributes_asked_for_get_a_section(run, whole, tmp_path):
    done = run(
        *("report", SHIPPED_MODEL, "--data", whole, "--out", tmp_path / "r"),
        *("--attribute", "color", "--worst", 1, "--typical", 0, "--best", 0),
    )
    assert done.code == 0, done.err
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="attribute"') == 1
    assert page.count('class="query"') == 1


@pytest.mark.slow
def test_changes_and_attention_are_measured_when_asked_for(run, whole, tmp_path, monkeypatch):
    # Four drawn garments instead of hundreds: the command is on trial, not the model.
    monkeypatch.setattr(measuring, "measure_all", functools.partial(measure_all, drawn=4))
    monkeypatch.setattr(measuring, "pictures_to_do", functools.partial(pictures_to_do, drawn=4))
    done = run(
        *("report", SHIPPED_MODEL, "--data", whole, "--out", tmp_path, "--attribute", "color"),
        *("--robustness", "--attention"),
    )
    assert done.code == 0, done.err
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'id="robustness"' in page
    assert 'id="attention"' in page
    assert "measuring" in done.err


def test_progress_goes_to_standard_error(run, whole, tmp_path):
    done = run("report", SHIPPED_MODEL, "--data", whole, "--out", tmp_path, "--attribute", "color")
    assert "embedding" in done.err
    assert "looking" in done.err


def test_an_attribute_that_the_model_lacks_is_told(run, whole, tmp_path):
    done = run("report", SHIPPED_MODEL, "--data", whole, "--attribute", "lining")
    assert done.code == 1
    assert "no attribute 'lining'" in done.err


def test_a_table_without_any_attribute_of_the_model_is_told(run, pictures, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"file,lining,split\n{pictures[0]},silk,test\n")
    done = run("report", SHIPPED_MODEL, "--data", table, "--out", tmp_path / "r")
    assert done.code == 1
    assert "the model knows garment_type" in done.err
    assert "has lining" in done.err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("library", ["sklearn", "jinja2"])
def test_a_missing_library_is_told_before_anything_is_measured(
    run, whole, tmp_path, monkeypatch, library
):
    monkeypatch.setitem(sys.modules, library, None)
    done = run("report", SHIPPED_MODEL, "--data", whole, "--out", tmp_path / "r")
    assert done.code == 1
    assert library in done.err
    assert 'pip install "lapel[train]"' in done.err
    assert "embedding" not in done.err
