import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_schemas.card import AttributeCard, ModelCard, Preprocessing, Provenance
from model.encoder import ImageEmbedding
from model.evidence.conceptual import PLAIN_BITS, PLAIN_SHARE, compare_concepts
from model.evidence.statements import CLEAR_BITS, Statement
from model.similarity import UnknownAttribute

DIMENSION = 16


def attribute(name, values, *, frequencies=None, scale=8.0):
    """A space whose prototypes stand at right angles."""
    return AttributeCard(
        name=name,
        values=values,
        prototypes=np.eye(len(values), DIMENSION).tolist(),
        scale=scale,
        same_value={"slope": 8.0, "intercept": -4.0, "pairs": 0, "fitted_on": "none"},
        value_frequencies=frequencies,
    )


def card_of(*attributes):
    return ModelCard(
        name="made up",
        version="1",
        licence="none",
        design="none",
        backbone="none",
        embedding_dimension=DIMENSION,
        preprocessing=Preprocessing(input_size=8, fit="pad", mean=(0, 0, 0), std=(1, 1, 1)),
        attributes=attributes,
        provenance=Provenance(
            data="none", data_licence="none", training_images=0, pretrained="none"
        ),
    )


CARD = card_of(
    attribute("garment_type", ("t-shirt", "shirt", "dress"), frequencies=(0.5, 0.3, 0.2)),
    attribute("collar", ("none", "shirt", "shawl"), frequencies=(0.7, 0.28, 0.02)),
    attribute("neckline", ("crew", "v", "collared"), frequencies=(0.5, 0.1, 0.4)),
    attribute("sleeve_length", ("short", "long"), frequencies=(0.5, 0.5)),
    attribute("pattern", ("solid", "dots"), frequencies=(0.95, 0.05)),
    attribute("color", ("blue", "red"), frequencies=(0.6, 0.4)),
)
USUAL = {
    "garment_type": "t-shirt",
    "collar": "none",
    "neckline": "crew",
    "sleeve_length": "short",
    "pattern": "solid",
    "color": "blue",
}


def image(vectors, visible):
    visible = np.asarray(visible, np.float32)
    return ImageEmbedding(np.asarray(vectors, np.float32), visible, visible, visible, visible)


def garment(hidden=(), card=CARD, **values):
    """A garment whose vectors are its values' prototypes; a tuple of values lies between them."""
    vectors = []
    for space in card.attributes:
        chosen = values.get(space.name, USUAL.get(space.name, space.values[0]))
        names = (chosen,) if isinstance(chosen, str) else chosen
        vector = sum(np.array(space.prototypes[space.values.index(name)]) for name in names)
        vectors.append(vector / np.linalg.norm(vector))
    return image(vectors, [name not in hidden for name in card.attribute_names])


@st.composite
def cards_and_pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = draw(st.permutations([*USUAL, "closure"]))[: draw(st.integers(1, 7))]
    spaces = []
    for name in names:
        count = int(rng.integers(1, 6))
        prototypes = rng.normal(size=(count, DIMENSION))
        spaces.append(
            AttributeCard(
                name=name,
                values=tuple(f"{name}-{number}" for number in range(count)),
                prototypes=prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True),
                scale=float(np.exp(rng.uniform(-2, 5))),
                same_value={
                    "slope": float(rng.uniform(0, 20)),
                    "intercept": float(rng.uniform(-20, 5)),
                    "pairs": 0,
                    "fitted_on": "none",
                },
                value_frequencies=rng.dirichlet(np.ones(count)) if rng.random() < 0.7 else None,
            )
        )
    vectors = rng.normal(size=(2, len(names), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    a, b = (image(v, rng.random(len(names)) * 1.6) for v in vectors)
    return card_of(*spaces), a, b


@given(cards_and_pairs())
def test_the_curve_never_falls_and_each_budget_has_its_length(made):
    card, a, b = made
    said = compare_concepts(a, b, card)
    assert said.budgets == tuple(range(1, len(said.order) + 1))
    assert list(said.distances) == sorted(said.distances)
    assert all(distance >= 0.0 for distance in said.distances)
    assert list(said.budget_bits) == sorted(said.budget_bits)
    assert len(said.distances) == len(said.budget_bits) == len(said.budgets)
    shown = [n for n, va, vb in zip(card.attribute_names, a.visible, b.visible, strict=True)
             if va >= 0.5 and vb >= 0.5]  # fmt: skip
    assert sorted(said.order) == sorted(shown)
    assert set(said.not_compared) == set(card.attribute_names) - set(shown)


@given(cards_and_pairs())
def test_exchanging_the_two_exchanges_their_statements_and_nothing_else(made):
    card, a, b = made
    one, other = compare_concepts(a, b, card), compare_concepts(b, a, card)
    changing = {"statements_a": None, "statements_b": None, "sentence": None}
    assert one._replace(**changing) == other._replace(**changing)
    assert (one.statements_a, one.statements_b) == (other.statements_b, other.statements_a)


@given(cards_and_pairs())
def test_a_garment_beside_itself_is_at_distance_zero_at_every_budget(made):
    card, a, _ = made
    said = compare_concepts(a, a, card)
    assert set(said.distances) <= {0.0}
    assert said.area == 0.0
    assert said.parting is None
    assert not said.clear


@given(cards_and_pairs())
def test_distances_agree_with_the_formula_in_a_slow_loop(made):
    card, a, b = made
    said = compare_concepts(a, b, card)
    total = 0.0
    for budget, name in enumerate(said.order):
        row = card.attribute_names.index(name)
        total += slow_difference(a.vectors[row], b.vectors[row], card.attributes[row])
        assert said.distances[budget] == pytest.approx(total, rel=1e-3, abs=1e-4)
    if said.budgets:
        assert said.area == pytest.approx(math.fsum(said.distances) / len(said.budgets))


def slow_difference(u, v, space):
    def reading(vector):
        logits = [space.scale * float(np.dot(vector, p)) for p in space.prototypes]
        weights = [math.exp(logit - max(logits)) for logit in logits]
        return [max(weight / sum(weights), 1e-6) for weight in weights]

    p, q = reading(u), reading(v)
    worse_a = sum(x * math.log2(x / y) for x, y in zip(p, q, strict=True))
    worse_b = sum(y * math.log2(y / x) for x, y in zip(p, q, strict=True))
    if len(p) == 1:
        return 0.0
    shares = space.value_frequencies or [1 / len(p)] * len(p)
    by_chance = sum(share * share for share in shares)
    fit = space.same_value
    odds_same = math.exp(fit.slope * float(np.dot(u, v)) + fit.intercept)
    at_even_odds = odds_same * (1 - by_chance) / by_chance
    return 0.5 * (worse_a + worse_b) / (1 + at_even_odds)


def test_the_unusual_is_said_before_the_usual():
    said = compare_concepts(garment(collar="shawl"), garment(collar="shawl"), CARD)
    assert said.order[0] == said.statements_a[0].attribute == "collar"
    bits = [statement.bits for statement in said.statements_a]
    assert bits == sorted(bits, reverse=True)
    assert said.statements_a[0].value == "shawl"
    # Read at 8 : 0 between right-angled prototypes of three values, of a frequency of 0.02.
    surest = 1 / (1 + 2 * math.exp(-8))
    assert said.statements_a[0].bits == pytest.approx(math.log2(surest / 0.02), abs=1e-4)


def test_without_frequencies_all_values_count_as_equally_frequent():
    card = card_of(attribute("collar", ("none", "shirt")), attribute("fabric", tuple("abcd")))
    said = compare_concepts(garment(card=card), garment(card=card), card)
    assert said.order == ("fabric", "collar")
    assert said.budget_bits == pytest.approx((2.0, 3.0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("collar", "shirt"), ("neckline", "v"), ("sleeve_length", "long"), ("color", "red")],
)
def test_they_part_at_the_one_attribute_that_differs(name, value):
    said = compare_concepts(garment(), garment(**{name: value}), CARD)
    assert said.parting == name
    assert said.clear
    parted = f"hey part at {name.replace('_', ' ')}: {USUAL[name]} against {value}."
    assert said.sentence.endswith(parted)
    before = said.distances[said.order.index(name) - 1] if said.order[0] != name else 0.0
    assert before == pytest.approx(0.0, abs=1e-6)
    assert said.distances[-1] > CLEAR_BITS


def test_the_sentence_says_down_to_where_they_are_alike():
    a, b = garment(pattern="dots", neckline="v"), garment(pattern="dots", neckline="crew")
    said = compare_concepts(a, b, CARD)
    assert said.order[:2] == ("pattern", "neckline")
    assert said.alike_down_to == "pattern"
    assert said.sentence == "Alike in pattern; they part at neckline: v against crew."
    shawls = [garment(collar="shawl", pattern="dots", neckline=n) for n in ("v", "crew")]
    assert compare_concepts(*shawls, CARD).sentence == (
        "Alike down to pattern; they part at neckline: v against crew."
    )


def test_what_differs_from_the_first_statement_on_is_said_so():
    said = compare_concepts(garment(collar="shawl"), garment(collar="none"), CARD)
    assert said.alike_down_to is None
    assert said.sentence == "They part at collar: shawl against none."


def test_a_difference_in_kind_that_the_parts_imply_is_said_last():
    said = compare_concepts(
        garment(garment_type="t-shirt"), garment(garment_type="shirt", collar="shirt"), CARD
    )
    assert said.order[-1] == "garment_type"
    assert said.parting == "collar"
    alone = compare_concepts(garment(), garment(garment_type="dress"), CARD)
    assert (alone.parting, alone.order[-1]) == ("garment_type", "garment_type")


def test_garments_that_show_different_parts_can_part_at_their_kind():
    top = ("neckline", "sleeve_length", "collar")
    card = card_of(*CARD.attributes, attribute("pant_length", ("full", "crop")))
    a = garment(card=card, garment_type="shirt", hidden=("pant_length",))
    b = garment(card=card, garment_type="dress", color="red", hidden=top)
    said = compare_concepts(a, b, card)
    assert said.order[0] == said.parting == "garment_type"
    assert said.not_compared == ("collar", "neckline", "sleeve_length", "pant_length")


def test_what_cannot_be_seen_in_both_adds_no_distance_and_is_told():
    said = compare_concepts(garment(), garment(collar="shirt", hidden=("collar",)), CARD)
    assert "collar" not in said.order
    assert said.not_compared == ("collar",)
    assert said.distances[-1] == 0.0
    assert said.sentence == (
        "Alike in all that both show (sleeve length, garment type, neckline, color and pattern), "
        "as far as can be told. Only one shows collar."
    )


def test_nothing_in_common_to_see_is_told():
    a, b = garment(hidden=CARD.attribute_names), garment()
    said = compare_concepts(a, b, CARD)
    assert said.budgets == said.distances == said.budget_bits == said.statements_a == ()
    assert (said.area, said.parting) == (0.0, None)
    assert said.sentence == "Nothing can be seen in both, so they cannot be compared."


def test_a_lesser_difference_before_the_parting_is_a_perhaps():
    # The collar, said first, is read between two values in one of them.
    b = garment(collar=("shawl", "none"), sleeve_length="long")
    said = compare_concepts(garment(collar="shawl", sleeve_length="short"), b, CARD)
    collar, sleeves = (
        said.differences[said.order.index(name)] for name in ("collar", "sleeve_length")
    )
    assert 0.1 < collar < min(PLAIN_BITS, PLAIN_SHARE * sleeves)
    assert said.parting == "sleeve_length"
    assert said.sentence.startswith("They part at sleeve length: short against long, and perhaps")
    assert "collar (" in said.sentence


def test_a_value_read_alike_where_looks_differ_is_told_so():
    card = card_of(attribute("collar", ("none", "shirt"), scale=3.0))
    sure, unsure = image([[1.0, 0.0, *[0.0] * 14]], [1]), image([[0.1, 0.05, 0.9, *[0] * 13]], [1])
    said = compare_concepts(sure, unsure, card)
    assert said.parting == "collar"
    assert "collar: both are read as none, but do not look alike" in said.sentence


def test_values_and_looks_that_are_alike_are_not_said_to_differ():
    card = card_of(attribute("collar", ("none", "shirt"), scale=3.0), CARD.attributes[5])
    blue = [1.0, *[0.0] * 15]
    sure, near = image([blue, blue], [1, 1]), image([[0.9, 0.436, *[0.0] * 14], blue], [1, 0])
    said = compare_concepts(sure, near, card)
    assert (said.parting, said.clear) == ("collar", False)
    assert said.sentence == (
        "Nothing that both show sets them clearly apart; least alike in collar. "
        "Only one shows color."
    )


def test_other_values_that_set_nothing_clearly_apart_are_told_as_the_best_guess():
    card = card_of(attribute("collar", ("none", "shirt"), scale=3.0))
    a, b = ([first, second, *[0.0] * 14] for first, second in ((0.71, 0.7), (0.7, 0.71)))
    assert compare_concepts(image([a], [1]), image([b], [1]), card).sentence == (
        "Alike in all that both show (collar), as far as can be told."
    )
    a, b = ([first, second, *[0.0] * 14] for first, second in ((0.9, 0.44), (0.44, 0.9)))
    said = compare_concepts(image([a], [1]), image([b], [1]), card)
    assert not said.clear
    assert said.sentence == (
        "Nothing that both show sets them clearly apart; least alike in collar: none against shirt."
    )


def test_one_value_read_with_other_certainty_can_part_two_that_look_alike():
    card = card_of(attribute("collar", ("none", "shirt"), frequencies=(0.9, 0.1), scale=20.0))
    sure, unsure = image([[1.0, *[0.0] * 15]], [1]), image([[0.72, 0.69, *[0.0] * 14]], [1])
    said = compare_concepts(sure, unsure, card)
    assert said.clear
    assert said.sentence == (
        "They part at collar: both are read as none, with different certainty."
    )


def test_only_the_attributes_asked_for_are_spoken_of_in_whatever_order():
    a, b = garment(), garment(color="red", collar="shirt")
    one = compare_concepts(a, b, CARD, ["pattern", "collar"])
    assert one == compare_concepts(a, b, CARD, ["collar", "pattern", "collar"])
    assert set(one.order) == {"pattern", "collar"}
    assert compare_concepts(a, b, CARD, []).budgets == ()
    with pytest.raises(UnknownAttribute, match="no attribute 'lapels'; it has garment_type"):
        compare_concepts(a, b, CARD, ["lapels"])


def test_statements_are_the_likeliest_values_with_what_they_tell():
    said = compare_concepts(garment(), garment(pattern="dots"), CARD)
    told = {statement.attribute: statement for statement in said.statements_b}
    assert isinstance(told["pattern"], Statement)
    assert told["pattern"].value == "dots"
    assert told["pattern"].bits == pytest.approx(math.log2(1 / 0.05), abs=1e-2)
    # Each costs what its frequency makes it cost: 0.95 in one description, 0.05 in the other.
    at = said.order.index("pattern")
    step = said.budget_bits[at] - (said.budget_bits[at - 1] if at else 0.0)
    assert step == pytest.approx(-0.5 * (math.log2(0.95) + math.log2(0.05)))
