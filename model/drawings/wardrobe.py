"""Which garments are usual: random designs, type first, then what such garments mostly have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.drawings.design import (
    BOTTOMS,
    COATS,
    MULTI_PATTERNS,
    VALUES,
    Design,
    closures_for,
)


def random_design(rng: np.random.Generator) -> Design:
    """A plausible garment: type first, then the rest as such garments mostly are."""
    kind = _pick(rng, VALUES["garment_type"])
    pattern = _pick_pattern(rng, kind)
    color = _pick_color(rng, pattern)
    if kind in BOTTOMS:
        skirt = _pick(rng, VALUES["skirt_length"][:-1]) if kind == "skirt" else "na"
        lengths = {"pants": ("crop", "full", "full"), "shorts": ("short", "bermuda")}
        pant = _pick(rng, lengths[kind]) if kind in lengths else "na"
        return Design(kind, "na", "na", "na", "na", pattern, color, skirt, pant)
    wardrobe = _WARDROBE[kind]
    collar = _pick(rng, wardrobe.collars)
    forced = {"none": None, "roll": "high"}.get(collar, "collared")
    neckline = forced or _pick(rng, wardrobe.necklines)
    sleeves = _pick(rng, wardrobe.sleeves)
    if neckline == "strap":
        sleeves = "sleeveless"
    elif neckline == "offshoulder" and sleeves == "sleeveless":
        sleeves = "short"
    closures = [c for c in wardrobe.closures if c in closures_for(collar, neckline)]
    closure = _pick(rng, closures or sorted(closures_for(collar, neckline)))
    skirt = _pick(rng, VALUES["skirt_length"][:-1]) if kind == "dress" else "na"
    coat = _pick(rng, wardrobe.coat_lengths) if kind in COATS else "na"
    return Design(kind, collar, neckline, sleeves, closure, pattern, color, skirt, coat_length=coat)


@dataclass(frozen=True)
class _Wardrobe:
    """What garments of one type are like; repeats are weights."""

    collars: tuple[str, ...]
    sleeves: tuple[str, ...]
    closures: tuple[str, ...] = ("pullover",)
    necklines: tuple[str, ...] = ("crew",)
    coat_lengths: tuple[str, ...] = ()


_WARDROBE: Final[Mapping[str, _Wardrobe]] = {
    "t-shirt": _Wardrobe(
        ("none",), ("short", "short", "short", "half"), necklines=("crew", "crew", "scoop", "v")
    ),
    "longsleeve": _Wardrobe(
        ("none", "none", "none", "roll", "stand"),
        ("long", "long", "long", "half"),
        ("pullover", "pullover", "pullover", "placket", "halfzip"),
        ("crew", "crew", "scoop", "v", "boat"),
    ),
    "shirt": _Wardrobe(("shirt", "shirt", "shirt", "stand"), ("short", "long"), ("buttons",)),
    "polo": _Wardrobe(("polo",), ("short", "short", "short", "long"), ("placket",)),
    "hoodie": _Wardrobe(("hood",), ("long",), ("pullover", "zip")),
    "undershirt": _Wardrobe(("none",), ("sleeveless",), necklines=("scoop", "scoop", "crew", "v")),
    "top": _Wardrobe(
        ("none",),
        ("sleeveless", "sleeveless", "short"),
        necklines=("strap", "strap", "square", "boat", "offshoulder"),
    ),
    "blouse": _Wardrobe(
        ("none", "none", "none", "other", "shirt"),
        ("short", "half", "long"),
        ("pullover", "buttons"),
        ("v", "keyhole", "scoop", "boat", "square", "offshoulder"),
    ),
    "outwear": _Wardrobe(
        ("hood", "hood", "stand", "lapel", "shawl", "shirt"),
        ("long", "long", "long", "sleeveless"),
        ("zip", "zip", "buttons", "open"),
        coat_lengths=VALUES["coat_length"][:-1],
    ),
    "blazer": _Wardrobe(
        ("lapel", "lapel", "lapel", "shawl"),
        ("long", "long", "half"),
        ("buttons", "buttons", "open"),
        coat_lengths=("waist", "hip", "hip"),
    ),
    "dress": _Wardrobe(
        ("none", "none", "none", "none", "shirt", "other", "roll"),
        ("sleeveless", "short", "half", "long"),
        ("pullover", "pullover", "buttons"),
        VALUES["neckline"][:8],
    ),
}
_PATTERN_WEIGHTS: Final = (6.0, 2.5, 2.0, 2.0, 1.5, 2.0, 2.0, 1.5, 0.7)


def _pick(rng: np.random.Generator, values: Sequence[str]) -> str:
    return values[int(rng.integers(len(values)))]


def _pick_pattern(rng: np.random.Generator, kind: str) -> str:
    weights = np.array(_PATTERN_WEIGHTS)
    if kind in BOTTOMS or kind == "blazer":
        weights[VALUES["pattern"].index("graphic")] = 0.0
    return VALUES["pattern"][int(rng.choice(len(weights), p=weights / weights.sum()))]


def _pick_color(rng: np.random.Generator, pattern: str) -> str:
    colors = VALUES["color"] if pattern in MULTI_PATTERNS else VALUES["color"][:-1]
    return _pick(rng, colors)
