"""From photographs to a fitted card, measured, tabled and drawn, with the shipped network."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from model.drawings import write_catalog
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, embed_table
from model.evidence.examining import EvidenceUnavailable
from model.evidence.quality import BY_CHANCE, UNRELATED, EvidenceQuality, measure_evidence
from model.evidence.roc import evidence_picture, main
from model.evidence.sheets import evidence_sheets
from model.further import further_tables, measure_all, pictures_to_do
from model.labels import LabelTable, read_labels

fitting = pytest.importorskip("model.training.evidence_fit")

DRAWN = 3


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("drawn"), 9, seed=5)


@pytest.fixture(scope="module")
def table(labels: Path) -> LabelTable:
    return read_labels(labels)


@pytest.fixture(scope="module")
def embedded(encoder: Encoder, table: LabelTable) -> EmbeddedTable:
    return embed_table(encoder, table)


@pytest.fixture(scope="module")
def told() -> list[int]:
    return []


@pytest.fixture(scope="module")
def fitted(encoder: Encoder, embedded: EmbeddedTable, told: list[int]) -> Encoder:
    """The shipped network with a card fitted on a few drawings."""
    evidence = fitting.fit_evidence(encoder, embedded, drawn=DRAWN, progress=told.append)
    same = Encoder(encoder._session, encoder.card, encoder.fingerprint)
    same.card = encoder.card.model_copy(update={"evidence": evidence})
    return same


@pytest.fixture(scope="module")
def quality(fitted: Encoder, embedded: EmbeddedTable) -> EvidenceQuality:
    return measure_evidence(fitted, embedded, drawn=DRAWN)


def test_fitting_tells_of_all_its_pictures(fitted: Encoder, told: list[int]) -> None:
    assert fitted.card.evidence is not None
    assert sum(told) == fitting.pictures_embedded([9], drawn=DRAWN)


def test_shares_at_a_rate_are_those_counted_above_its_threshold(quality: EvidenceQuality) -> None:
    unrelated = sorted(quality.scores[UNRELATED], reverse=True)
    for name, scores in quality.scores.items():
        above = [score > unrelated[int(0.01 * len(unrelated))] for score in scores]
        assert quality.kinds[name].combined[0] == pytest.approx(sum(above) / len(above))
    assert quality.kinds[UNRELATED].combined[0] <= 0.01
    assert quality.kinds["edited copies"].related
    assert not quality.kinds[UNRELATED].related


def test_the_policys_rate_is_the_one_among_the_kinds(quality: EvidenceQuality) -> None:
    assert quality.rates.false_accusation_rate == quality.kinds[UNRELATED].policy
    for name, rate in quality.rates.detection_rates.items():
        assert quality.kinds[name].policy == rate


def test_the_sheets_have_a_row_for_each_kind_attribute_and_calibration(
    encoder: Encoder, quality: EvidenceQuality
) -> None:
    together, alone, calibration = evidence_sheets(quality)
    assert [row[0] for row in together.rows] == list(quality.kinds)
    assert [row[0] for row in alone.rows] == list(encoder.card.attribute_names)
    assert [row[0] for row in calibration.rows] == ["photographs", "drawings", "all together"]
    for sheet in (together, alone, calibration):
        assert {len(row) for row in sheet.rows} == {len(sheet.columns)}
    assert together.rows[0][:3] == ("unrelated", "not", str(quality.kinds[UNRELATED].pairs))


def test_the_picture_has_a_line_for_each_related_kind(quality: EvidenceQuality) -> None:
    svg = ElementTree.fromstring(evidence_picture(quality))
    texts = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    related = {name for name, kind in quality.kinds.items() if kind.related}
    assert related <= texts
    assert ("same values by chance, nobody copied" in texts) == (BY_CHANCE in quality.kinds)


def test_it_is_one_of_the_further_measures(fitted: Encoder, table: LabelTable) -> None:
    told: list[int] = []
    some = table.take(range(4))
    found = measure_all(fitted, some, also=("evidence",), drawn=DRAWN, progress=told.append)
    assert sum(told) == pictures_to_do(4, ("evidence",), drawn=DRAWN)
    assert next(row[0] for row in further_tables(found)[0].rows) == UNRELATED


def test_a_model_without_figures_is_not_measured(encoder: Encoder, embedded: EmbeddedTable) -> None:
    bare = Encoder(
        encoder._session, encoder.card.model_copy(update={"evidence": None}), encoder.fingerprint
    )
    with pytest.raises(EvidenceUnavailable, match="has no evidence figures"):
        measure_evidence(bare, embedded, drawn=DRAWN)


def test_the_picture_of_no_model_is_refused_in_one_line(
    tmp_path: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "none.onnx"), "--data", str(labels)])
    assert "cannot read the model file" in capsys.readouterr().err
