"""Copies of drawn garments, measured with the shipped network."""

import numpy as np
import pytest
from PIL import Image

from api_schemas.card import CopyVerification
from model.alignment import align
from model.copies import verified_probabilities
from model.drawings import write_catalog
from model.encoder import Encoder
from model.evidence.copy_pairs import in_design, laid_on_nearest, table_in_design
from model.evidence.copy_trial import ALL, copy_sheet, measure_copies, pictures_needed
from model.evidence.edits import EDITS
from model.evidence.figures import EvidenceUnavailable
from model.further import measure_all
from model.labels import LabelTable, read_labels
from model.robustness import open_picture

GARMENTS = 7
NEAREST = 3
VERIFICATION = CopyVerification(
    intercept=-12.0,
    cosine=5.0,
    points=1.5,
    agreement=9.0,
    direction_slope=4.0,
    direction_margin=0.9,
    coverage=0.5,
    page=0.5,
    threshold=0.5,
    false_accusation_rate=0.01,
    detection_rate=0.9,
    wrong_direction_rate=0.05,
    nearest=NEAREST,
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LabelTable:
    return read_labels(write_catalog(tmp_path_factory.mktemp("drawn"), GARMENTS, seed=3))


@pytest.fixture(scope="module")
def verifying(encoder: Encoder) -> Encoder:
    """The shipped network, with weights of a comparison that are written here."""
    design = encoder.card.design_space
    assert design is not None
    same = Encoder(encoder._session, encoder.card, encoder.fingerprint)
    with_weights = design.model_copy(update={"verification": VERIFICATION})
    same.card = encoder.card.model_copy(update={"design_space": with_weights})
    return same


def slow_scores(
    encoder: Encoder, copy: Image.Image, files: tuple, source: int
) -> tuple[float, float]:
    """One copy, one photograph at a time."""
    of_copy = in_design(encoder, [copy])
    found = []
    for row, file in enumerate(files):
        other = in_design(encoder, [open_picture(file)])
        cosine = float(of_copy.vectors[0] @ other.vectors[0])
        there, back = verified_probabilities(
            np.array([cosine]),
            of_copy.norms,
            other.norms,
            [align(of_copy.features[0], other.features[0])],
            VERIFICATION,
        )[0]
        found.append((cosine, row, there, max(there, back)))
    others = sorted((each for each in found if each[1] != source), reverse=True)[:NEAREST]
    return found[source][2], max(each[3] for each in others)


def test_shares_are_those_of_a_slow_count(verifying: Encoder, table: LabelTable) -> None:
    trial = measure_copies(verifying, table)
    own, others, names = [], [], []
    for row in range(GARMENTS):
        for turn in (2 * row, 2 * row + 1):
            name, edit = list(EDITS.items())[turn % len(EDITS)]
            copy = edit(open_picture(table.files[row]))
            if copy is not None:
                there, elsewhere = slow_scores(verifying, copy, table.files, row)
                own.append(there)
                others.append(elsewhere)
                names.append(name)
    assert trial.edits[ALL].copies == len(own)
    assert trial.edits[ALL].said == pytest.approx(np.mean(np.array(own) >= 0.5))
    assert trial.accused == pytest.approx(np.mean(np.array(others) >= 0.5))
    beyond_all = np.mean(np.array(own) > max(others))
    assert trial.edits[ALL].found == pytest.approx((beyond_all, beyond_all))
    for name in set(names):
        assert trial.edits[name].copies == names.count(name)
    assert (trial.compared_with, trial.laid_on) == (GARMENTS - 1, NEAREST)


def test_drawn_copies_are_found_and_tabled(verifying: Encoder, table: LabelTable) -> None:
    told: list[int] = []
    trial = measure_copies(verifying, table, told.append)
    assert trial.edits[ALL].said > 0.5
    assert sum(told) == pictures_needed(GARMENTS)
    rows = copy_sheet(trial).rows
    assert rows[-1][0] == ALL
    assert len(rows) == len(trial.edits)


def test_a_card_without_weights_for_it_is_refused_before_anything_is_measured(
    encoder: Encoder, table: LabelTable
) -> None:
    design = encoder.card.design_space
    assert design is not None
    plain = Encoder(encoder._session, encoder.card, encoder.fingerprint)
    told: list[int] = []
    without = design.model_copy(update={"verification": None})
    for space, reason in ((without, "exported before"), (None, "has no design space")):
        plain.card = encoder.card.model_copy(update={"design_space": space})
        with pytest.raises(EvidenceUnavailable, match=reason):
            measure_copies(plain, table)
        with pytest.raises(EvidenceUnavailable, match="lapel train-design"):
            measure_all(plain, table, also=("robustness", "copies"), progress=told.append)
    assert told == []


def test_a_copy_is_laid_on_its_source_and_on_the_others_nearest(
    verifying: Encoder, table: LabelTable
) -> None:
    photographs = table_in_design(verifying, table)
    copies = in_design(verifying, [open_picture(table.files[4])])
    laid = list(laid_on_nearest(copies, photographs, [4], NEAREST, first=10))
    cosines = photographs.vectors @ copies.vectors[0]
    cosines[4] = -2
    nearest = np.argsort(-cosines, kind="stable")[:NEAREST].tolist()
    assert [each.photograph for each in laid] == [4, *nearest]
    assert {each.copy for each in laid} == {10}
    assert laid[0].alignment.agreement > 0.9
