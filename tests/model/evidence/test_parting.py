from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest

from model.drawings.numbered import drawn_table
from model.encoder import Encoder
from model.evaluate import EmbeddedTable
from model.evidence.conceptual import KIND, compare_concepts
from model.evidence.parting import Parting, measure_parting, parting_sheets, partings
from model.evidence.parting_pairs import changed_designs, drawn_pairs, photographed_pairs

SURELY = 100  # pairs; the share right is known to 3 in 100


@pytest.mark.slow
def test_drawn_garments_are_said_to_part_where_they_do_and_equal_ones_stay_together(
    encoder: Encoder,
) -> None:
    measured = {
        kind: partings(pairs, encoder.card)
        for kind, pairs in drawn_pairs(encoder, count=SURELY, seed=0).items()
    }
    differing = measured["drawn, one attribute differs"]
    alike = measured["drawn alike, another look"]
    assert differing.share_right is not None
    assert differing.share_right >= 0.9
    # Equal in every attribute, other pose, shades and ground: the last budget bounds them all.
    assert alike.distance[0] <= 0.2
    assert alike.distance[1] <= 2.5
    assert differing.distance[0] >= 10 * alike.distance[0]
    assert alike.clear <= 0.2


def test_a_changed_design_differs_in_one_attribute_that_the_card_names(encoder: Encoder) -> None:
    named = {attribute.name: attribute.values for attribute in encoder.card.attributes}
    designs = changed_designs(encoder.card, count=60, seed=3)
    assert len(designs) == 60
    for changed in designs:
        before, after = asdict(changed.before.design), asdict(changed.after.design)
        assert [name for name in before if before[name] != after[name]] == [changed.attribute]
        assert changed.attribute != KIND
        assert {before[changed.attribute], after[changed.attribute]} <= set(
            named[changed.attribute]
        )
        assert changed.before.look == changed.after.look != changed.under_another_look().look
        assert changed.under_another_look().design == changed.after.design
    assert len({changed.attribute for changed in designs}) > 5


def test_a_card_without_words_for_drawings_has_no_drawn_pairs(encoder: Encoder) -> None:
    values = tuple(f"heel-{number}" for number in range(len(encoder.card.attributes[0].values)))
    strange = encoder.card.attributes[0].model_copy(update={"name": KIND, "values": values})
    card = encoder.card.model_copy(update={"attributes": (strange,)})
    assert changed_designs(card, count=2) == []


def labelled(encoder: Encoder, count: int) -> EmbeddedTable:
    """Drawn labels by three photographers, with vectors and visibility at random."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(
        size=(count, len(encoder.card.attributes), encoder.card.embedding_dimension)
    ).astype(np.float32)
    return EmbeddedTable(
        table=replace(drawn_table(count), groups=np.arange(count) % 3),
        vectors=vectors / np.linalg.norm(vectors, axis=-1, keepdims=True),
        visible=rng.random(vectors.shape[:2], dtype=np.float32),
        global_vectors=np.zeros((count, 1), np.float32),
    )


def test_photographs_are_paired_as_a_slow_loop_pairs_them(encoder: Encoder) -> None:
    embedded = labelled(encoder, 150)
    table = embedded.table
    expected: Counter[str | None] = Counter()
    names = [name for name in encoder.card.attribute_names if name in table.cells]
    for i in range(len(table)):
        for j in range(i):
            cells = [(table.cells[name][i], table.cells[name][j]) for name in names]
            if table.groups[i] == table.groups[j] or any(
                (one == "na") != (other == "na") for one, other in cells
            ):
                continue
            differ = [name for name, (one, other) in zip(names, cells, strict=True) if one != other]
            if len(differ) < 2:
                expected[differ[0] if differ else None] += 1
    pairs = photographed_pairs(embedded, encoder.card)
    assert Counter(pair.differs for some in pairs.values() for pair in some) == expected
    assert expected


def test_every_kind_of_pair_stands_in_the_tables(encoder: Encoder) -> None:
    embedded = labelled(encoder, 150)
    told: list[int] = []
    measured = measure_parting(encoder, embedded, drawn=2, progress=told.append)
    overall, by_attribute = parting_sheets(measured)
    assert sum(told) == 6
    assert [row[0] for row in overall.rows] == list(measured)
    assert list(measured) == [
        "drawn, one attribute differs",
        "drawn, one differs, another look",
        "drawn alike, another look",
        "photographs, one label differs",
    ]
    assert by_attribute.columns[1:] == (*list(measured)[:2], list(measured)[3])


def test_answers_are_counted_as_a_slow_loop_counts_them(encoder: Encoder) -> None:
    pairs = [pair for some in drawn_pairs(encoder, count=6, seed=5).values() for pair in some]
    counted = partings(pairs, encoder.card)
    said = [compare_concepts(a, b, encoder.card) for a, b, _ in pairs]
    right = Counter(
        pair.differs for pair, s in zip(pairs, said, strict=True) if s.parting == pair.differs
    )
    assert counted.pairs == len(pairs) == 18
    assert {name: hits for name, (_, hits) in counted.right.items()} == {
        name: right[name] for name in counted.right
    }
    assert counted.clear == pytest.approx(np.mean([s.clear for s in said]))
    assert counted.distance[0] == pytest.approx(np.median([s.distances[-1] for s in said]))


def test_shares_are_of_all_pairs_and_means_of_attributes() -> None:
    parting = Parting(10, {"collar": (8, 8), "color": (2, 1)}, 0.5, 0.8, (4.0, 7.25))
    overall, by_attribute = parting_sheets({"drawn": parting})
    assert overall.rows == (("drawn", "10", "0.900", "0.750", "0.500", "0.800", "4.00", "7.25"),)
    assert by_attribute.rows == (("collar", "1.000 of 8"), ("color", "0.500 of 2"))


def test_of_equal_garments_no_share_right_is_told() -> None:
    parting = Parting(4, {}, 0.25, 0.0, (0.0, 1.0))
    assert (parting.share_right, parting.mean_right) == (None, None)
    assert parting_sheets({"alike": parting})[0].rows[0][2:6] == ("", "", "0.250", "")
