"""At what level of detail two designs part: how long a description must be to tell them apart.

After Achille et al., CVPR 2024 (arXiv 2402.08919): both pictures are described within a budget,
and their distance is how much worse each is explained by the other's description than by its own.
A description here is a list of statements "attribute = value", a budget is how many are made.

Both descriptions speak of the same attributes in the same order, the most telling first. Were
each picture described by its own best statements, garments equal in every value but read with
unequal certainty would be apart at small budgets and meet again at large ones; so spoken, each
statement can only add to the distance.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile
from typing import Final, NamedTuple

from api_schemas.card import ModelCard
from model.encoder import ImageEmbedding
from model.evidence.statements import CLEAR_BITS, Point, Statement, in_words, point_of
from model.similarity import VISIBLE_THRESHOLD, UnknownAttribute

NEAR_ZERO_BITS: Final = 0.001
"""Nearer than this they do not part."""
PLAIN_SHARE: Final = 0.8
"""They part at the first attribute to set them apart by this share of the largest difference ..."""
PLAIN_BITS: Final = 4.0
"""... or by this much: smaller differences before it are mostly readings that went wrong."""
ONE_SIDED: Final = 0.95
"""Pictures show different parts where exactly one shows a part with this probability."""
KIND: Final = "garment_type"
"""What a garment is called. Its parts imply it: buttons make a t-shirt a shirt."""
SURFACE: Final = frozenset({"pattern", "color"})
"""What every garment has, whatever its parts."""


class ConceptualComparison(NamedTuple):
    """How two descriptions draw apart.

    When the two are exchanged, `statements_a` and `statements_b` are, and the values in
    `sentence`; all else stays the same to the bit.

    Attributes:
        budgets: numbers of statements, 1 to K; empty where nothing can be seen in both.
        budget_bits: length of a description at each budget: mean over the two descriptions, with
            a value of frequency f costing -log2 f.
        distances: at each budget, bits; never falling.
        area: under the curve, divided by K: the mean distance, bits.
        statements_a: of the first, what tells most about it first.
        statements_b: of the second.
        parting: the attribute where they part; None where nothing at all sets them apart.
        alike_down_to: the last attribute before anything differs; None where the first does.
        sentence: all this in words.
        order: the attribute spoken of at each budget.
        differences: what each adds to the distance, bits.
        not_compared: attributes that cannot be seen in both.
        clear: whether they part by CLEAR_BITS or more; where not, `parting` is what looks least
            alike.
    """

    budgets: tuple[int, ...]
    budget_bits: tuple[float, ...]
    distances: tuple[float, ...]
    area: float
    statements_a: tuple[Statement, ...]
    statements_b: tuple[Statement, ...]
    parting: str | None
    alike_down_to: str | None
    sentence: str
    order: tuple[str, ...]
    differences: tuple[float, ...]
    not_compared: tuple[str, ...]
    clear: bool


def compare_concepts(
    a: ImageEmbedding, b: ImageEmbedding, card: ModelCard, names: Sequence[str] | None = None
) -> ConceptualComparison:
    """Describe two garments statement by statement, until they part.

    Args:
        a: one.
        b: the other.
        card: of the model that embedded both.
        names: attributes to speak of, in any order; all by default.

    Raises:
        UnknownAttribute: a name is not on the card.
    """
    shown = _Shown.of(a, b, card, names)
    points = [point_of(a, b, row, card.attributes[row]) for row in shown.in_both]
    # The kind tells nothing more once the parts have been spoken of.
    points.sort(key=lambda point: (shown.parts_imply_kind and point.name == KIND, -point.bits))
    distances = tuple(accumulate(point.difference for point in points))
    parting, clear = _parting(points, shown.parts_imply_kind)
    alike = _alike_before(points, parting)
    return ConceptualComparison(
        budgets=tuple(range(1, len(points) + 1)),
        budget_bits=tuple(accumulate(point.length for point in points)),
        distances=distances,
        area=sum(distances) / len(distances) if distances else 0.0,
        statements_a=_most_telling_first(point.a for point in points),
        statements_b=_most_telling_first(point.b for point in points),
        parting=parting.name if parting else None,
        alike_down_to=alike[-1].name if alike else None,
        sentence=_sentence(points, alike, parting, clear, shown),
        order=tuple(point.name for point in points),
        differences=tuple(point.difference for point in points),
        not_compared=shown.not_in_both,
        clear=clear,
    )


class _Shown(NamedTuple):
    """What can be seen of two garments."""

    in_both: tuple[int, ...]
    not_in_both: tuple[str, ...]
    in_one: tuple[str, ...]
    parts_imply_kind: bool

    @classmethod
    def of(
        cls, a: ImageEmbedding, b: ImageEmbedding, card: ModelCard, names: Sequence[str] | None
    ) -> "_Shown":
        known = card.attribute_names
        if unknown := [name for name in names or () if name not in known]:
            raise UnknownAttribute(
                f"the model has no attribute {unknown[0]!r}; it has {', '.join(known)}"
            )
        rows = [row for row, name in enumerate(known) if names is None or name in names]
        in_a, in_b = a.visible.tolist(), b.visible.tolist()
        seen = {row: _times_seen(in_a[row], in_b[row]) for row in rows}
        parts = [row for row in rows if known[row] != KIND and known[row] not in SURFACE]
        return cls(
            in_both=tuple(row for row in rows if seen[row] == 2),
            not_in_both=tuple(known[row] for row in rows if seen[row] < 2),
            in_one=tuple(known[row] for row in rows if seen[row] == 1),
            parts_imply_kind=any(seen[row] == 2 for row in parts)
            and all(_one_sided(in_a[row], in_b[row]) < ONE_SIDED for row in parts),
        )


def _times_seen(in_a: float, in_b: float) -> int:
    return (in_a >= VISIBLE_THRESHOLD) + (in_b >= VISIBLE_THRESHOLD)


def _one_sided(in_a: float, in_b: float) -> float:
    """Probability that exactly one shows it."""
    return in_a * (1 - in_b) + in_b * (1 - in_a)


def _most_telling_first(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    return tuple(sorted(statements, key=lambda statement: -statement.bits))


def _parting(points: Sequence[Point], parts_imply_kind: bool) -> tuple[Point | None, bool]:
    """Where they part, and whether clearly; the kind only where its parts do not imply it."""
    kind = [point for point in points if parts_imply_kind and point.name == KIND]
    others = [point for point in points if point not in kind]
    for candidates in (others, kind):
        largest = max((point.difference for point in candidates), default=0.0)
        if largest >= CLEAR_BITS:
            plain = min(PLAIN_SHARE * largest, PLAIN_BITS)
            return next(point for point in candidates if point.difference >= plain), True
    if all(point.difference < NEAR_ZERO_BITS for point in points):
        return None, False
    # No value is read differently for sure: what looks least alike is the better guess.
    return min(others or kind, key=lambda point: point.similarity), False


def _alike_before(points: Sequence[Point], parting: Point | None) -> list[Point]:
    return list(takewhile(lambda point: point.alike and point is not parting, points))


def _sentence(
    points: Sequence[Point],
    alike: Sequence[Point],
    parting: Point | None,
    clear: bool,
    shown: _Shown,
) -> str:
    if not points:
        return "Nothing can be seen in both, so they cannot be compared."
    if parting is not None and clear:
        before = points[len(alike) : points.index(parting)]
        return _parted(alike, parting, [point for point in before if not point.alike])
    only = f" Only one shows {_listed(map(in_words, shown.in_one))}." if shown.in_one else ""
    if parting is not None:
        return f"Nothing that both show sets them clearly apart; {_least_alike(parting)}.{only}"
    everything = _listed(in_words(point.name) for point in points)
    return f"Alike in all that both show ({everything}), as far as can be told.{only}"


def _least_alike(point: Point) -> str:
    """The best guess, with what speaks for it: where nothing does, its name alone."""
    differs = point.a.value != point.b.value or point.look_unlike
    return f"least alike in {_told(point) if differs else in_words(point.name)}"


def _parted(alike: Sequence[Point], parting: Point, doubtful: Sequence[Point]) -> str:
    told = f"they part at {_told(parting)}"
    if alike:
        down_to = "down to" if len(alike) > 1 else "in"
        told = f"alike {down_to} {in_words(alike[-1].name)}; {told}"
    if doubtful:
        earlier = _listed(f"{in_words(point.name)} ({point.values})" for point in doubtful)
        told = f"{told}, and perhaps before, in {earlier}"
    return f"{told[0].upper()}{told[1:]}."


def _told(point: Point) -> str:
    return f"{in_words(point.name)}: {point.values}"


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
