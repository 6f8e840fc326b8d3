"""What a drawn garment is: its attribute values, and which of them go together.

A design is consistent or it does not exist: the constructor refuses combinations nobody could
draw (a strap neckline with a hood). Drawable is wider than usual: a long-sleeved t-shirt can be
drawn, though the wardrobe has none.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "garment_type": (
        *("t-shirt", "longsleeve", "shirt", "polo", "hoodie", "undershirt", "top", "blouse"),
        *("outwear", "blazer", "dress", "skirt", "pants", "shorts"),
    ),
    "collar": (
        *("none", "shirt", "polo", "stand", "roll", "hood", "lapel", "shawl", "other", "na"),
    ),
    "neckline": (
        *("crew", "scoop", "v", "boat", "square", "strap", "offshoulder", "keyhole"),
        *("collared", "high", "na"),
    ),
    "sleeve_length": ("sleeveless", "short", "half", "long", "na"),
    "closure": ("pullover", "buttons", "placket", "zip", "halfzip", "open", "na"),
    "pattern": (
        *("solid", "stripe", "check", "floral", "dots", "graphic", "allover", "block", "lace"),
    ),
    "color": (
        *("black", "white", "gray", "navy", "blue", "red", "pink", "purple", "green"),
        *("yellow", "orange", "brown", "beige", "multi"),
    ),
    "skirt_length": ("mini", "knee", "midi", "maxi", "na"),
    "pant_length": ("short", "bermuda", "crop", "full", "na"),
    "coat_length": ("waist", "hip", "thigh", "knee", "na"),
}
"""Values that can be drawn, per attribute."""

ATTRIBUTES: Final = tuple(VALUES)
BOTTOMS: Final = frozenset({"skirt", "pants", "shorts"})
COATS: Final = frozenset({"outwear", "blazer"})

_CLOSURES: Final[Mapping[str, frozenset[str]]] = {
    "none": frozenset(VALUES["closure"][:-1]),
    "shirt": frozenset({"buttons", "placket", "zip", "open"}),
    "polo": frozenset({"buttons", "placket", "halfzip"}),
    "stand": frozenset({"pullover", "buttons", "placket", "zip", "halfzip"}),
    "roll": frozenset({"pullover"}),
    "hood": frozenset({"pullover", "buttons", "zip", "halfzip", "open"}),
    "lapel": frozenset({"buttons", "open"}),
    "shawl": frozenset({"buttons", "open"}),
    "other": frozenset({"pullover", "buttons"}),
}
MULTI_PATTERNS: Final = frozenset({"stripe", "allover", "block"})


@dataclass(frozen=True)
class Design:
    """One garment's attribute values; a combination that cannot be drawn raises ValueError."""

    garment_type: str
    collar: str
    neckline: str
    sleeve_length: str
    closure: str
    pattern: str
    color: str
    skirt_length: str = "na"
    pant_length: str = "na"
    coat_length: str = "na"

    def __post_init__(self) -> None:
        for attribute, value in asdict(self).items():
            if value not in VALUES[attribute]:
                raise ValueError(
                    f"{attribute} is {value!r}; drawable are {', '.join(VALUES[attribute])}"
                )
        for problem in (_length_problem(self), _front_problem(self), _surface_problem(self)):
            if problem:
                raise ValueError(f"this garment cannot be drawn: {problem}")

    @property
    def is_bottom(self) -> bool:
        """Whether it hangs from the waist: no neck, no sleeves."""
        return self.garment_type in BOTTOMS


def allowed_values(design: Design, attribute: str) -> tuple[str, ...]:
    """Values `attribute` can take while everything else stays, the present one included.

    Raises:
        ValueError: for an attribute that designs do not have.
    """
    if attribute not in VALUES:
        raise ValueError(f"no attribute {attribute!r}; there are {', '.join(ATTRIBUTES)}")
    return tuple(value for value in VALUES[attribute] if _drawable(design, attribute, value))


def variant(design: Design, attribute: str, value: str) -> Design:
    """The same design with exactly one attribute changed.

    Raises:
        ValueError: if the value cannot be combined with the rest of the design.
    """
    allowed = allowed_values(design, attribute)
    if value not in allowed:
        raise ValueError(
            f"{attribute} cannot become {value!r} on this {design.garment_type}; "
            f"it can be {', '.join(allowed)}"
        )
    return replace(design, **{attribute: value})


def closures_for(collar: str, neckline: str) -> frozenset[str]:
    """Closures that can be drawn with a collar and a neckline."""
    if neckline in ("keyhole", "offshoulder"):
        return frozenset({"pullover"})
    if neckline in ("strap", "boat", "square"):
        return frozenset({"pullover", "buttons", "zip"})
    return _CLOSURES[collar]


def _drawable(design: Design, attribute: str, value: str) -> bool:
    try:
        replace(design, **{attribute: value})
    except ValueError:
        return False
    return True


def _length_problem(design: Design) -> str | None:
    kind = design.garment_type
    wanted = {
        "skirt_length": kind in ("skirt", "dress"),
        "pant_length": kind in ("pants", "shorts"),
        "coat_length": kind in COATS,
    }
    for attribute, needed in wanted.items():
        if (getattr(design, attribute) != "na") != needed:
            return f"a {kind} has {'a' if needed else 'no'} {attribute}"
    return None


def _front_problem(design: Design) -> str | None:
    front = (design.collar, design.neckline, design.sleeve_length, design.closure)
    if design.is_bottom or "na" in front:
        whole = front == ("na",) * 4
        return None if design.is_bottom and whole else "na is for bottoms, and for all of the front"
    expected = {"none": None, "roll": "high"}.get(design.collar, "collared")
    if expected and design.neckline != expected:
        return f"a {design.collar} collar makes the neckline {expected}"
    if expected is None and design.neckline in ("collared", "high"):
        return f"a {design.neckline} neckline needs a collar"
    if design.closure not in closures_for(design.collar, design.neckline):
        return f"{design.closure} does not go with {design.collar} collar, {design.neckline} neck"
    if design.neckline == "strap" and design.sleeve_length != "sleeveless":
        return "straps carry no sleeves"
    if design.neckline == "offshoulder" and design.sleeve_length == "sleeveless":
        return "an off-shoulder neckline needs sleeves"
    return None


def _surface_problem(design: Design) -> str | None:
    if design.color == "multi" and design.pattern not in MULTI_PATTERNS:
        return f"multi needs one of the patterns {', '.join(sorted(MULTI_PATTERNS))}"
    if design.pattern == "graphic" and design.is_bottom:
        return "a graphic is placed on the chest"
    return None
