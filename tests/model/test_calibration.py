import dataclasses

import numpy as np
import pytest

from api_schemas.card import AttributeCard, SameValueCalibration
from model.calibration import Calibration, calibration_sheet, measure_calibration
from model.evaluate import EmbeddedTable, evaluate
from model.labels import LabelTable
from model.similarity import value_probabilities

SIZE, VALUES = 250, ("crew", "vee", "boat")


def attribute(name: str, scale: float) -> AttributeCard:
    """Three values that lie apart as the corners of a triangle."""
    corners = [(float(np.cos(a)), float(np.sin(a))) for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    fit = SameValueCalibration(slope=4, intercept=-1, pairs=1, fitted_on="valid")
    return AttributeCard(
        name=name, values=VALUES, prototypes=tuple(corners), scale=scale, same_value=fit
    )


def drawn_table(cards: tuple[AttributeCard, ...]) -> EmbeddedTable:
    """Random vectors; the values that are labelled are drawn from what the cards say of them."""
    rng = np.random.default_rng(2)
    angles = rng.uniform(0, 2 * np.pi, (SIZE, len(cards)))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=2).astype(np.float32)
    cells = {}
    for index, card in enumerate(cards):
        chances = value_probabilities(vectors[:, index], card).astype(float)
        rows = chances / chances.sum(axis=1, keepdims=True)
        cells[card.name] = tuple(VALUES[rng.choice(3, p=row)] for row in rows)
    table = LabelTable(files=(), splits=("test",) * SIZE, groups=np.arange(SIZE) // 2, cells=cells)
    visible = np.ones((SIZE, len(cards)), np.float32)
    return EmbeddedTable(table, vectors, visible, np.ones((SIZE, 2), np.float32))


CARDS = (attribute("neckline", 1.5), attribute("hem", 1.0))
EMBEDDED = drawn_table(CARDS)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return measure_calibration(EMBEDDED, CARDS)


def test_the_errors_are_those_of_evaluate(calibration: Calibration) -> None:
    quality = evaluate(EMBEDDED, CARDS, "test")
    assert calibration.attributes.keys() == quality.attributes.keys()
    for name, measured in quality.attributes.items():
        checked = calibration.attributes[name]
        assert checked.value.error == measured.value_calibration_error
        assert checked.same_value.error == measured.same_value_calibration_error


def test_values_drawn_from_their_probabilities_stay_within_the_floor(
    calibration: Calibration,
) -> None:
    for checked in (*calibration.attributes.values(), calibration.pooled):
        assert checked.value.error < checked.value.floor.percentile_95


def test_probabilities_three_times_too_sure_are_far_above_it() -> None:
    sure = tuple(card.model_copy(update={"scale": 3 * card.scale}) for card in CARDS)
    calibration = measure_calibration(EMBEDDED, sure)
    for checked in (*calibration.attributes.values(), calibration.pooled):
        assert checked.value.error > 1.5 * checked.value.floor.percentile_95


def test_all_together_has_all_rows_and_a_lower_floor(calibration: Calibration) -> None:
    pairs = SIZE * (SIZE - 1) // 2 - SIZE // 2  # two photographs to a photographer
    pooled = calibration.pooled
    assert (pooled.value.rows, pooled.same_value.rows) == (2 * SIZE, 2 * pairs)
    for each in calibration.attributes.values():
        assert pooled.value.floor.mean < each.value.floor.mean
        assert pooled.same_value.floor.mean < each.same_value.floor.mean


def test_garments_whose_value_has_no_name_count_in_pairs_alone() -> None:
    cells = ("unheard of", *EMBEDDED.table.cells["hem"][1:])
    table = dataclasses.replace(EMBEDDED.table, cells={"hem": cells})
    hem = measure_calibration(dataclasses.replace(EMBEDDED, table=table), CARDS).attributes["hem"]
    assert hem.value.rows == SIZE - 1
    assert hem.same_value.rows == SIZE * (SIZE - 1) // 2 - SIZE // 2


def test_the_sheet_ends_with_all_together(calibration: Calibration) -> None:
    sheet = calibration_sheet(calibration)
    assert [row[0] for row in sheet.rows] == ["neckline", "hem", "all together"]
    assert {len(row) for row in sheet.rows} == {len(sheet.columns)}
    pooled = calibration.pooled.value
    assert sheet.rows[-1][1:5] == (
        *("500", f"{pooled.error:.3f}"),
        *(f"{pooled.floor.mean:.3f}", f"{pooled.floor.percentile_95:.3f}"),
    )
