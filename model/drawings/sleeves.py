"""Sleeves, hanging from the shoulder of the cut at the look's angle, and their cuffs."""

from typing import Final

import numpy as np

from model.drawings.design import Design
from model.drawings.look import Look
from model.drawings.shapes import Mark, Points, Shape, Stroke, bend, both_sides, joined, points
from model.drawings.torso import Cut, Point

_SLEEVES: Final = {"short": (24.0, 17.0), "half": (37.0, 14.0), "long": (60.0, 10.0)}
"""Length along the sleeve and width at its end."""


def sleeves(design: Design, cut: Cut, look: Look) -> list[Mark]:
    """Both sleeves with their cuffs; nothing on a sleeveless garment."""
    if design.sleeve_length == "sleeveless":
        return []
    length, end_width = _SLEEVES[design.sleeve_length]
    angle = look.sleeve_angle
    if design.neckline == "offshoulder":
        length *= 0.85
    width = end_width * look.sleeve_width
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    start = np.array(cut.shoulder)
    if design.neckline == "offshoulder":  # under the falling band
        start += (-1.5, 4.0)
    outer = start + along * length + across * 1.5
    inner = outer - across * width
    pit = (cut.armpit[0] - 0.5, cut.armpit[1] + 0.5)
    pull = start + along * length * 0.3 + across * 3.2
    under = np.array(pit) * 0.55 + inner * 0.45 + across * 0.8
    top = bend(_pair(start), _pair(pull), _pair(outer))
    bottom = bend(_pair(inner), _pair(under), pit)
    inside_body = points((start[0] - 4, 22.0), (start[0] - 4, start[1] + 1))
    shape = Shape("sleeves", joined(top, bottom, inside_body), grain=-angle)
    end = points(_pair(outer), _pair(inner))
    return both_sides([shape, *_cuff(design, end, -along, angle)])


def _cuff(design: Design, end: Points, back: Points, angle: float) -> list[Mark]:
    """The sleeve's end, from its outer to its inner point; `back` leads up the sleeve."""
    ribbed = design.garment_type in ("hoodie", "polo")
    buttoned = design.collar == "shirt" and design.sleeve_length == "long"
    if not (ribbed or buttoned):
        return [Stroke(end + back * 1.8, 0.3, dashed=True)]
    depth = 6.0 if design.sleeve_length == "long" else 2.2
    piece = joined(end, (end + back * depth)[::-1])
    return [Shape("sleeves", piece, "rib" if ribbed else "fabric", -angle)]


def _pair(point: Points) -> Point:
    return float(point[0]), float(point[1])
