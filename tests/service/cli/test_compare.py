import json

import pytest
from rich.console import Console

from model import similarity
from service.cli.compare import _table
from service.cli.opening import embed_file


def test_json_holds_what_the_model_says(run, pictures, encoder):
    a, b = pictures[:2]
    names = encoder.card.attribute_names[:3]
    options = [part for name in names for part in ("--attribute", name)]
    answer = json.loads(run("compare", a, b, *options, "--json").out)
    expected = similarity.compare(
        embed_file(encoder, a), embed_file(encoder, b), encoder.card, names
    )
    assert list(answer["attributes"]) == list(names)
    for each in expected:
        said = answer["attributes"][each.name]
        assert said["similarity"] == pytest.approx(each.similarity)
        assert said["same_value_probability"] == pytest.approx(each.same_value_probability)
        assert (said["a"]["value"], said["b"]["value"]) == (each.a.value, each.b.value)
    assert answer["model"]["fingerprint"] == encoder.fingerprint


def test_a_picture_is_itself(run, shown):
    done = run("compare", shown.file, shown.file, "--attribute", shown.attributes[0])
    (row,) = [line for line in done.out.splitlines() if shown.attributes[0] in line]
    assert " 1.00 " in row


def test_every_attribute_is_compared_unless_some_are_named(run, pictures, encoder):
    table = run("compare", *pictures[:2]).out
    assert all(name in table for name in encoder.card.attribute_names)


def test_an_attribute_that_is_not_visible_gets_no_figure(capsys):
    seen = similarity.ValueReading("hood", 0.9, 0.8)
    unseen = similarity.ValueReading(None, 0.0, 0.1)
    compared = [similarity.AttributeComparison("collar", None, None, seen, unseen)]
    Console(width=80).print(_table(compared))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "collar" in line]
    assert row.split() == ["collar", "-", "-", "hood", "(90%)", "not", "visible"]
    assert "." not in row


def test_the_longest_names_of_the_model_fit_a_narrow_terminal(capsys, encoder):
    compared = [
        similarity.AttributeComparison(
            attribute.name, -0.99, 1.0, reading := longest(attribute), reading
        )
        for attribute in encoder.card.attributes
    ]
    Console(width=80).print(_table(compared))
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert all(f" {each.a.value} (99%)" in printed for each in compared)


def longest(attribute):
    return similarity.ValueReading(max(attribute.values, key=len), 0.99, 1.0)


def test_an_unknown_attribute_is_named_with_those_there_are(run, pictures, encoder):
    done = run("compare", *pictures[:2], "--attribute", "colar")
    assert done.code == 1
    assert "'colar'" in done.err
    assert encoder.card.attribute_names[0] in done.err


def test_a_file_that_is_no_picture_is_named(run, pictures, tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    done = run("compare", pictures[0], tmp_path / "text.jpg")
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path / 'text.jpg'}: the file is not a JPEG" in done.err
