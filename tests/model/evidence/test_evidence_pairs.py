from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from model.drawings import random_design, write_catalog
from model.drawings.numbered import Drawn
from model.drawings.variants import CHANGEABLE, changed_design, drawn_variants
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, embed_table
from model.evidence.edits import EDITS
from model.evidence.pairs import KnownPairs, known_pairs, pictures_needed
from model.labels import LabelTable, read_labels
from model.similarity import VISIBLE_THRESHOLD

DRAWN = 2


@pytest.fixture(scope="module")
def embedded(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedTable:
    table = read_labels(write_catalog(tmp_path_factory.mktemp("drawn"), 8, seed=3))
    return embed_table(encoder, table)


@pytest.fixture(scope="module")
def told() -> list[int]:
    return []


@pytest.fixture(scope="module")
def pairs(encoder: Encoder, embedded: EmbeddedTable, told: list[int]) -> KnownPairs:
    return known_pairs(encoder, embedded, drawn=DRAWN, progress=told.append)


def test_unrelated_pairs_are_all_those_by_different_photographers(
    embedded: EmbeddedTable, pairs: KnownPairs
) -> None:
    groups = embedded.table.groups
    expected, alike = [], []
    for i in range(len(groups)):
        for j in range(i + 1, len(groups)):
            if groups[i] == groups[j]:
                continue
            row = [_angle(embedded, i, j, attribute) for attribute in range(10)]
            expected.append(row)
            alike.append(_labelled_alike(embedded.table, i, j))
    assert pairs.unrelated.angles == pytest.approx(np.array(expected), abs=2e-3, nan_ok=True)
    assert pairs.same_by_chance.tolist() == alike
    assert (pairs.unrelated.groups[:, 0] != pairs.unrelated.groups[:, 1]).all()


def test_copies_are_nearer_to_their_photographs_than_unrelated_garments(pairs: KnownPairs) -> None:
    assert len(pairs.copies) <= 16
    assert len(pairs.copies) >= 8
    assert (pairs.copies.groups[:, 0] == pairs.copies.groups[:, 1]).all()
    assert np.nanmean(pairs.copies.angles) < 0.7 * np.nanmean(pairs.unrelated.angles)


def test_all_pictures_are_told_of(pairs: KnownPairs, told: list[int]) -> None:
    assert sum(told) == pictures_needed(8, drawn=DRAWN)
    assert {len(each) for each in pairs.variants.values()} == {DRAWN}
    assert len(pairs.unrelated_drawings) == 1


def test_related_and_unrelated_pairs_weigh_a_half_each(pairs: KnownPairs) -> None:
    weighed = pairs.even_odds()
    assert len(weighed.angles) == len(weighed.related) == len(weighed.weights)
    assert weighed.weights[weighed.related].sum() == pytest.approx(0.5)
    assert weighed.weights.sum() == pytest.approx(1.0)
    copies = weighed.weights[weighed.related][: len(pairs.copies)]
    assert copies.sum() == pytest.approx(0.25)


def test_one_photographer_alone_has_no_unrelated_garments(
    encoder: Encoder, embedded: EmbeddedTable
) -> None:
    rows = np.flatnonzero(embedded.table.groups == embedded.table.groups[0]).tolist()
    alone = embed_table(encoder, embedded.table.take(rows))
    with pytest.raises(ValueError, match="at least two photographers"):
        known_pairs(encoder, alone, drawn=2)


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_variant_differs_in_exactly_so_many_attributes_and_stays_its_kind(changes: int) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        design = random_design(rng)
        changed = changed_design(design, changes, rng)
        before, after = asdict(design), asdict(changed)
        differing = [name for name in before if before[name] != after[name]]
        assert set(differing) <= set(CHANGEABLE)
        assert len(differing) == changes


def test_variants_are_drawn_under_another_look() -> None:
    originals = [Drawn.numbered(number, 5) for number in range(2)]
    variants = drawn_variants(originals, 1, seed=5)
    looks = {each.look for each in (*originals, *variants, *drawn_variants(originals, 2, seed=5))}
    assert len(looks) == 6


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_picture_and_leaves_the_original_alone(name: str) -> None:
    picture = Drawn.numbered(4, 1, side=120).picture()
    before = picture.tobytes()
    edited = EDITS[name](picture)
    assert picture.tobytes() == before
    if name == "busy background":
        return  # may not be able to cut the garment out
    assert edited is not None
    assert edited.mode == "RGB"
    assert edited.size != picture.size or edited.tobytes() != before


def test_recoloring_leaves_gray_alone() -> None:
    gray = Image.new("RGB", (4, 4), (90, 90, 90))
    edited = EDITS["recolored"](gray)
    assert edited is not None
    assert edited.tobytes() == gray.tobytes()


def _angle(embedded: EmbeddedTable, i: int, j: int, attribute: int) -> float:
    if min(embedded.visible[i, attribute], embedded.visible[j, attribute]) < VISIBLE_THRESHOLD:
        return float("nan")
    cosine = float(embedded.vectors[i, attribute] @ embedded.vectors[j, attribute])
    return float(np.arccos(np.clip(cosine, -1, 1)))


def _labelled_alike(table: LabelTable, i: int, j: int) -> bool:
    shared = [
        (cells[i], cells[j])
        for name, cells in table.cells.items()
        if name in (*CHANGEABLE, "garment_type") and "na" not in (cells[i], cells[j])
    ]
    return bool(shared) and all(one == other for one, other in shared)
