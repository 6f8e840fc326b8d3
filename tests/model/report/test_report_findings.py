import dataclasses

import numpy as np
import pytest

from model.evaluate import evaluate
from model.report import findings
from model.report.findings import Confusion, Counts, find
from model.similarity import predicted_value


@pytest.fixture(scope="module")
def found(encoder, drawn):
    return find(encoder, drawn, split="all", data="labels.csv", file_bytes=7, counts=Counts(1, 1))


def section(found, name):
    return next(each for each in found.attributes if each.card.name == name)


def test_the_figures_are_those_of_evaluate(found, encoder, drawn):
    assert found.quality == evaluate(drawn, encoder.card.attributes, "all")
    assert all(
        each.quality == found.quality.attributes[each.card.name] for each in found.attributes
    )


def test_calibration_is_checked_for_the_same_attributes_and_for_all_together(found):
    assert list(found.calibration.attributes) == list(found.quality.attributes)
    for each in found.attributes:
        assert each.calibration == found.calibration.attributes[each.card.name]
        assert each.calibration.value.error == each.quality.value_calibration_error
    rows = sum(each.value.rows for each in found.calibration.attributes.values())
    assert found.calibration.pooled.value.rows == rows


@pytest.mark.parametrize("name", ["collar", "pattern"])
def test_confusion_counts_what_a_slow_loop_counts(found, drawn, encoder, name):
    index = encoder.card.attribute_names.index(name)
    confusion, card = section(found, name).confusion, encoder.card.attributes[index]
    expected = {}
    for row, cell in enumerate(drawn.table.cells[name]):
        if cell not in ("", "na"):
            pair = (cell, predicted_value(drawn.vectors[row, index], card)[0])
            expected[pair] = expected.get(pair, 0) + 1
    counted = {
        (labelled, read): int(confusion.counts[i, j])
        for i, labelled in enumerate(confusion.labelled)
        for j, read in enumerate(confusion.read)
        if confusion.counts[i, j]
    }
    assert counted == expected


def test_accuracy_is_the_share_on_the_diagonal_of_the_values_it_learnt(found):
    for each in found.attributes:
        confusion = each.confusion
        learnt = [i for i, value in enumerate(confusion.labelled) if value in confusion.read]
        right = sum(
            confusion.counts[i, confusion.read.index(confusion.labelled[i])] for i in learnt
        )
        total = confusion.counts[learnt].sum()
        assert each.quality.value_accuracy == pytest.approx(right / max(1, total))


def test_mistakes_are_told_the_commonest_first_and_never_of_values_it_did_not_learn():
    counts = np.array([[5, 1, 0], [3, 2, 0], [9, 0, 0]])
    confusion = Confusion(read=("a", "b", "c"), labelled=("a", "b", "new"), counts=counts)
    assert confusion.mistakes() == [("b", "a", 3, 5), ("a", "b", 1, 6)]


def test_every_garment_with_a_value_is_on_the_map(found, drawn):
    for each in found.attributes:
        labelled = [
            row
            for row, cell in enumerate(drawn.table.cells[each.card.name])
            if cell not in ("", "na")
        ]
        if len(labelled) >= findings.MIN_POINTS:
            assert [point.row for point in each.points] == labelled
        else:
            assert each.points == ()
    assert section(found, "collar").points


def test_of_many_garments_the_same_ones_are_on_every_map(encoder, drawn, monkeypatch):
    monkeypatch.setattr(findings, "MOST_POINTS", 25)
    found = find(
        encoder, drawn, split="", data="", file_bytes=0, names=["pattern", "color"], counts=Counts()
    )
    rows = {point.row for each in found.attributes for point in each.points}
    assert 8 <= len(rows) <= 25


def test_only_the_attributes_asked_for_get_a_section_in_the_models_order(encoder, drawn):
    progress = []
    found = find(
        encoder,
        drawn,
        split="",
        data="",
        file_bytes=0,
        names=["pattern", "collar"],
        counts=Counts(),
        progress=lambda: progress.append(1),
    )
    assert [each.card.name for each in found.attributes] == ["collar", "pattern"]
    assert len(progress) == 2
    assert set(found.quality.attributes) == set(encoder.card.attribute_names)


def test_a_value_it_never_learnt_is_a_row_and_no_column(encoder, drawn):
    cells = dict(drawn.table.cells)
    cells["collar"] = ("frilled", *cells["collar"][1:])
    changed = dataclasses.replace(drawn, table=dataclasses.replace(drawn.table, cells=cells))
    found = find(
        encoder, changed, split="", data="", file_bytes=0, names=["collar"], counts=Counts()
    )
    confusion = section(found, "collar").confusion
    row = confusion.labelled.index("frilled")
    assert row >= len(set(confusion.labelled) & set(confusion.read))
    assert confusion.counts[row].sum() == 1
    assert "frilled" not in confusion.read
