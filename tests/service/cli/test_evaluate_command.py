import functools
import re

import pytest

from api_schemas.card import Quality
from model.calibration import calibration_sheet, measure_calibration
from model.encoder import SHIPPED_MODEL
from model.evaluate import embed_table, evaluate
from model.further import measure_all, pictures_to_do
from model.labels import read_labels
from service.cli import measuring
from service.cli.measures import markdown_table, quality_markdown


@pytest.fixture(scope="module")
def quality(table, encoder):
    embedded = embed_table(encoder, read_labels(table).split("train"))
    return evaluate(embedded, encoder.card.attributes, "train")


def test_the_figures_are_those_of_the_measurement(run, table, quality, tmp_path):
    file = tmp_path / "q.json"
    done = run("evaluate", SHIPPED_MODEL, "--data", table, "--split", "train", "--json", file)
    assert done.code == 0, done.err
    measured = Quality.model_validate_json(file.read_text())
    assert measured.images == quality.images
    for name, expected in quality.attributes.items():
        assert measured.attributes[name].queries == expected.queries
        figure = expected.retrieval.map_other_photographers
        assert measured.attributes[name].retrieval.map_other_photographers == pytest.approx(figure)
        assert re.search(rf"^ {name} +{figure:.3f} ", done.out, re.MULTILINE)


def test_what_takes_minutes_is_measured_when_named(run, table, monkeypatch):
    # Four drawn garments instead of hundreds: the command is on trial, not the model.
    monkeypatch.setattr(measuring, "measure_all", functools.partial(measure_all, drawn=4))
    monkeypatch.setattr(measuring, "pictures_to_do", functools.partial(pictures_to_do, drawn=4))
    line = ("evaluate", SHIPPED_MODEL, "--data", table, "--split", "test", "--markdown")
    plain, further = run(*line), run(*line, "--also", "attention")
    assert further.code == 0, further.err
    assert "| peaks" not in plain.out
    added = further.out.removeprefix(plain.out.rstrip("\n"))
    assert added != further.out  # what is measured without --also stands first, unchanged
    assert "Attention peaks inside the right part of drawn garments" in added
    assert "MAP among photographs" not in added


def test_calibration_stands_beside_its_floor_when_named(run, table, encoder):
    line = ("evaluate", SHIPPED_MODEL, "--data", table, "--split", "train", "--markdown")
    done = run(*line, "--also", "calibration")
    assert done.code == 0, done.err
    embedded = embed_table(encoder, read_labels(table).split("train"))
    calibration = measure_calibration(embedded, encoder.card.attributes)
    assert done.out.endswith(markdown_table(calibration_sheet(calibration)) + "\n")
    assert "measuring" not in done.err  # no picture is embedded again


def rows_of(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_markdown_is_three_tables_with_a_row_for_each_attribute_and_mean(quality):
    retrieval, own_hits, values = (
        rows_of(table) for table in re.split(r"\n\n(?=The query|Naming)", quality_markdown(quality))
    )
    names = list(quality.attributes)
    assert [row[0] for row in retrieval[2:]] == [*names, "mean", "weighted mean"]
    assert [row[0] for row in own_hits[2:]] == [*names, "mean"]
    assert [row[0] for row in values[2:]] == names
    for rows in (retrieval, own_hits, values):
        assert len({len(row) for row in rows}) == 1


def test_hits_by_the_querys_own_photographer_stand_beside_those_of_a_perfect_order(quality):
    own_hits = quality_markdown(quality).split("\n\n")[3]
    rows = {row[0]: row[1:] for row in rows_of(own_hits)[2:]}
    found, perfect = [], []
    for name, each in quality.attributes.items():
        own = each.same_photographer
        shares = (own.found, own.by_chance, own.in_perfect_order)
        assert rows[name][:3] == [f"{share:.3f}" for share in shares]
        if own.by_chance:
            found.append(own.found / own.by_chance)
            perfect.append(own.in_perfect_order / own.by_chance)
            assert rows[name][3:] == [f"{found[-1]:.2f}", f"{perfect[-1]:.2f}"]
        else:
            assert rows[name][3:] == ["", ""]
    means = [f"{sum(times) / len(times):.2f}" for times in (found, perfect)]
    assert rows["mean"] == ["", "", "", *means]


def test_a_file_from_before_photographers_were_counted_has_the_other_tables(quality):
    older = {
        name: each.model_copy(update={"same_photographer": None})
        for name, each in quality.attributes.items()
    }
    whole = quality_markdown(quality).split("\n\n")
    without = quality_markdown(quality.model_copy(update={"attributes": older})).split("\n\n")
    assert without == [*whole[:2], *whole[4:]]


def test_the_means_of_the_reference_lines_are_taken_like_the_models(quality):
    rows = [
        row for row in rows_of(quality_markdown(quality)) if row[0] in ("mean", "weighted mean")
    ]
    total = plain = weighted = 0.0
    for each in quality.attributes.values():
        figure = each.retrieval_random_order.map_other_photographers
        plain += figure / len(quality.attributes)
        weighted += figure * each.queries
        total += each.queries
    assert float(rows[0][2]) == pytest.approx(plain, abs=6e-4)
    assert float(rows[1][2]) == pytest.approx(weighted / total, abs=6e-4)
    assert float(rows[0][1]) == pytest.approx(quality.mean_map_other_photographers, abs=6e-4)
    assert float(rows[1][1]) == pytest.approx(quality.weighted_map_other_photographers, abs=6e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,collar,split\na.jpg,hood,train\n", "no rows in split 'test'"),
        ("picture,split\na.jpg,test\n", "no column 'file'"),
        ("file,collar,split\nnone.jpg,hood,test\n", "none.jpg: No such file or directory"),
    ],
)
def test_a_table_that_cannot_be_measured_says_why(run, tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    done = run("evaluate", SHIPPED_MODEL, "--data", tmp_path / "t.csv")
    assert done.code == 1
    assert message in done.err


def test_a_table_of_other_attributes_says_so(run, pictures, tmp_path):
    (tmp_path / "t.csv").write_text(f"file,shine,split\n{pictures[0]},high,test\n")
    done = run("evaluate", SHIPPED_MODEL, "--data", tmp_path / "t.csv")
    assert done.code == 1
    assert "the table has shine" in done.err
