from pathlib import Path

import pytest

from model.attention import Hiding, Peaks
from model.drawings import write_catalog
from model.encoder import Encoder
from model.further import (
    MEASURES,
    FurtherQuality,
    further_tables,
    measure_all,
    pictures_to_do,
)
from model.labels import read_labels
from model.robustness import CHANGES, Robustness


def test_everything_is_measured_and_told_of(encoder: Encoder, tmp_path: Path) -> None:
    table = read_labels(write_catalog(tmp_path, 3, seed=0))
    told: list[int] = []
    # Evidence needs a card with figures: see test_evidence_quality.
    also = [name for name in MEASURES if name != "evidence"]
    quality = measure_all(encoder, table, also=also, drawn=2, progress=told.append)
    assert sum(told) == pictures_to_do(3, also, drawn=2)
    assert quality.robustness is not None
    assert set(quality.robustness) <= set(CHANGES)
    firsts = {row[0] for sheet in further_tables(quality) for row in sheet.rows}
    assert {"mirror", "JPEG quality 30", "busy background, drawn garments", "collar"} <= firsts
    assert "drawn, one attribute differs" in firsts


def test_only_what_is_asked_for_is_measured(encoder: Encoder, tmp_path: Path) -> None:
    table = read_labels(write_catalog(tmp_path, 2, seed=0))
    quality = measure_all(encoder, table, also=("attention",), drawn=2)
    assert quality.robustness is quality.drawn_background is None
    assert quality.hiding is not None
    assert [t.columns[1] for t in further_tables(quality)] == ["pictures", "garments"]
    assert further_tables(measure_all(encoder, table, also=())) == ()


def test_an_unknown_measure_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    table = read_labels(write_catalog(tmp_path, 1, seed=0))
    with pytest.raises(
        ValueError, match="no measure fog; there are robustness, attention, parting, evidence"
    ):
        measure_all(encoder, table, also=("fog",))


def test_the_figures_stand_in_the_tables() -> None:
    quality = FurtherQuality(
        robustness={
            "mirror": Robustness(
                8, 10, {"collar": 0.5, "color": 0.7}, {"collar": 0.4, "color": 0.6}
            )
        },
        hiding={"collar": Hiding(5, 0.6, 0.2), "color": Hiding(5, 0.5, 0.0)},
        peaks={"collar": Peaks(9, 0.75, 0.1)},
    )
    robustness, hiding, peaks = (table.rows for table in further_tables(quality))
    assert robustness == (("mirror", "8 of 10", "0.600", "0.500", "+10.0", "0.400", "0.600"),)
    assert hiding == (
        ("collar", "5", "0.600", "0.200", "3.000"),
        ("color", "5", "0.500", "0.000", ""),
        ("mean", "", "0.550", "0.100", "3.000"),
    )
    assert peaks == (("collar", "9", "0.750", "0.100"), ("mean", "", "0.750", "0.100"))
