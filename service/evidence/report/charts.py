"""The report's charts: they are read by length, pattern and label, never by colour."""

import math
from collections.abc import Sequence
from typing import Final

from api_schemas.evidence import AttributeEvidence, Conceptual, EditedCopy, Policy
from service.evidence.report.figures import how_often, likely, spoken
from service.evidence.report.parts import BLACK, GREY, PALE, Box, Chart, Line, Words

WIDTH: Final = 500.0
ROW: Final = 20.0
BAR: Final = 10.0
NAME_CHARS: Final = 19
RAREST: Final = 1e-4
"""The right end of the axis of chance levels."""
SOLID: Final = "#555555"

_SIMILAR = (104.0, 224.0)
_RARE = (282.0, 412.0)

Mark = Box | Line | Words


def overview(attributes: Sequence[AttributeEvidence], policy: Policy) -> Chart:
    """Similarity and rarity of every attribute that can be compared."""
    compared = [each for each in attributes if each.similarity is not None]
    top, bottom = 34.0, 34.0 + ROW * len(compared)
    marks: list[Mark] = [
        Words(_SIMILAR[0], 10, "similarity", strong=True),
        Words(_RARE[0], 10, "how rare among unrelated garments", strong=True),
        *_axis(_SIMILAR, [(0, "-1"), (0.5, "0"), (1, "1")], top, bottom),
        *_axis(_RARE, [(0, "any pair"), (0.5, "1 in 100"), (1, "1 in 10,000")], top, bottom),
    ]
    for place, each in enumerate(compared):
        marks += _row(each, top + ROW * place)
    x = _across(_RARE, _rarity(policy.max_chance))
    marks.append(Line(((x, top - 2), (x, bottom + 2)), width=1.2, dashed=True))
    words = f"policy: {how_often(policy.max_chance)}"
    marks.append(Words(x, bottom + 11, words, size=7, anchor="middle"))
    said = "; ".join(
        f"{spoken(each.name)}: similarity {each.similarity:.2f}, "
        f"{'' if each.chance is None else how_often(each.chance)} unrelated pairs as alike"
        for each in compared
    )
    return Chart(WIDTH, bottom + 16, tuple(marks), said)


def directions(copy: EditedCopy) -> Chart:
    """Both directions in which one picture may be a copy of the other."""
    across = (170.0, 400.0)
    top = 22.0
    rows = (
        ("A is an edited copy of B", copy.a_is_copy_of_b, True),
        ("B is an edited copy of A", copy.b_is_copy_of_a, False),
    )
    bottom = top + ROW * len(rows)
    marks: list[Mark] = [*_axis(across, [(0, "0 %"), (0.5, "50 %"), (1, "100 %")], top, bottom)]
    for place, (name, probability, hatched) in enumerate(rows):
        y = top + ROW * place + 5
        marks.append(Words(0, y + 8, name))
        marks += _bar(across, y, probability, hatched=hatched)
        marks.append(Words(across[1] + 8, y + 8, likely(probability), strong=True))
    said = "; ".join(f"{name}: {likely(probability)}" for name, probability, _ in rows)
    return Chart(WIDTH, bottom + 6, tuple(marks), said)


def curve(conceptual: Conceptual) -> Chart:
    """The distance between the two at each length of description."""
    left, right, top, bottom = 44.0, 465.0, 12.0, 130.0
    most = max(max(conceptual.distances, default=0.0), 1.0)
    step = _step(most)
    high = step * math.ceil(most / step)
    last = max(len(conceptual.budgets) - 1, 1)

    def at(place: int, distance: float) -> tuple[float, float]:
        return (left + (right - left) * place / last, bottom - (bottom - top) * distance / high)

    marks: list[Mark] = [Line(((left, top), (left, bottom), (right, bottom)))]
    for tick in range(round(high / step) + 1):
        _, y = at(0, tick * step)
        marks.append(Line(((left, y), (right, y)), width=0.4, color=PALE))
        marks.append(Words(left - 5, y + 3, f"{tick * step:g}", size=7, anchor="end"))
    points = tuple(at(place, distance) for place, distance in enumerate(conceptual.distances))
    if len(points) > 1:
        marks.append(Line(points, width=1.6))
    for place, ((x, y), name) in enumerate(zip(points, conceptual.order, strict=True)):
        marks.append(Box(x - 2.5, y - 2.5, 5, 5, fill=BLACK))
        # Names on two lines in turn have room enough beside each other.
        below = bottom + 11 + 9 * (place % 2)
        words = _short(spoken(name))
        strong = conceptual.clear and name == conceptual.parting
        marks.append(Words(x, below, words, size=7, anchor="middle", strong=strong))
    legend = "one statement more at each point; where the two part, its name is bold"
    marks.append(Words(left, bottom + 33, legend, size=7.5))
    marks.append(Words(left + 4, top - 3, "distance, bits", size=7.5))
    said = "distance in bits, statement by statement: " + ", ".join(
        f"{spoken(name)} {distance:.1f}"
        for name, distance in zip(conceptual.order, conceptual.distances, strict=True)
    )
    return Chart(WIDTH, bottom + 38, tuple(marks), said)


def _row(each: AttributeEvidence, top: float) -> list[Mark]:
    assert each.similarity is not None
    y = top + 5
    marks: list[Mark] = [Words(0, y + 8, _short(spoken(each.name)), strong=each.exceeds)]
    marks += _bar(_SIMILAR, y, (each.similarity + 1) / 2)
    marks.append(Words(_SIMILAR[1] + 6, y + 8, f"{each.similarity:.2f}"))
    if each.chance is not None:
        marks += _bar(_RARE, y, _rarity(each.chance), hatched=True)
        words = how_often(each.chance) + (" · alike" if each.exceeds else "")
        marks.append(Words(_RARE[1] + 6, y + 8, words, strong=each.exceeds))
    return marks


def _short(name: str) -> str:
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def _bar(
    across: tuple[float, float], y: float, share: float, *, hatched: bool = False
) -> list[Mark]:
    width = across[1] - across[0]
    return [
        Box(across[0], y, width, BAR, stroke=PALE),
        Box(
            *(across[0], y, width * min(max(share, 0.0), 1.0), BAR),
            fill=None if hatched else SOLID,
            stroke=SOLID,
            hatched=hatched,
        ),
    ]


def _axis(
    across: tuple[float, float], ticks: Sequence[tuple[float, str]], top: float, bottom: float
) -> list[Mark]:
    marks: list[Mark] = []
    for share, words in ticks:
        x = _across(across, share)
        marks.append(Line(((x, top - 3), (x, bottom)), width=0.4, color=PALE))
        marks.append(Words(x, top - 7, words, size=7, anchor="middle", color=GREY))
    return marks


def _across(across: tuple[float, float], share: float) -> float:
    return across[0] + (across[1] - across[0]) * share


def _rarity(chance: float) -> float:
    """0 where any pair is as alike, 1 where RAREST are; a chance level below ends there too."""
    return min(math.log(chance) / math.log(RAREST), 1.0)


def _step(most: float) -> float:
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * part for part in (0.2, 0.5, 1.0, 2.0, 5.0) if most / (power * part) <= 6)
