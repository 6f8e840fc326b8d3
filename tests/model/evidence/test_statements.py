from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from api_schemas.card import AttributeCard
from model.evidence.statements import value_frequencies
from model.labels import LabelTable

CELLS = ("none", "na", "shirt", "", "none", "shawl", "none")


def collar(**also):
    return AttributeCard(
        name="collar",
        values=("none", "shirt", "hood"),
        prototypes=np.eye(3).tolist(),
        scale=1.0,
        same_value={"slope": 1.0, "intercept": 0.0, "pairs": 0, "fitted_on": "none"},
        **also,
    )


def test_frequencies_are_counted_among_the_rows_that_show_a_value_the_model_names():
    table = LabelTable(
        files=tuple(Path(str(row)) for row in range(len(CELLS))),
        splits=("train",) * len(CELLS),
        groups=np.arange(len(CELLS)),
        cells={"collar": CELLS},
    )
    counts = Counter(cell for cell in CELLS if cell in collar().values)
    slow = [(1 + counts[value]) / (3 + sum(counts.values())) for value in collar().values]
    frequencies = value_frequencies(table, collar())
    assert frequencies == pytest.approx(slow)
    assert collar(value_frequencies=frequencies).value_frequencies == frequencies


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.5, 0.5), "3 values but 2 frequencies"),
        ((0.5, 0.5, 0.0), "above 0 and sum to 1"),
        ((0.5, 0.5, 0.5), "above 0 and sum to 1"),
    ],
)
def test_frequencies_that_are_none_are_refused_by_the_card(shares, told):
    with pytest.raises(ValueError, match=told):
        collar(value_frequencies=shares)
