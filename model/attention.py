"""Whether attention can be trusted: does what it points at decide, and does it point at the part?

Two questions that a handsome overlay does not answer. The first hides the most attended area of
a photograph and counts how often the attribute's predicted value changes, against hiding an area
of the same form elsewhere. The second looks where the peak falls on drawn garments, whose parts
are known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from api_schemas.card import AttributeCard, Preprocessing
from model import pixels
from model.drawings import VALUES, allowed_values, variant
from model.drawings.numbered import Drawn
from model.encoder import Encoder
from model.evaluate import Progress, shared_attributes
from model.labels import LabelTable
from model.robustness import as_served, open_picture
from model.similarity import value_probabilities

HIDDEN_SHARE: Final = 0.15
"""Share of the picture that is hidden."""
ROUNDS: Final = 3
"""Random areas tried per picture and attribute."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Hiding:
    """How often hiding an area changes the predicted value of one attribute.

    Attributes:
        images: pictures measured: those labelled with a value.
        attended: share of them whose value changes when the most attended area is hidden.
        elsewhere: the same for areas of the same form anywhere, mean over the areas tried.
    """

    images: int
    attended: float
    elsewhere: float

    @property
    def ratio(self) -> float | None:
        """``attended / elsewhere``; None where nothing changed elsewhere."""
        return self.attended / self.elsewhere if self.elsewhere else None


@dataclass(frozen=True)
class Peaks:
    """Where the attention of one attribute peaks on drawn garments.

    Attributes:
        images: garments measured: those on which the right part is there.
        inside: share of them whose peak cell overlaps the right part.
        by_chance: mean share of cells that overlap it.
    """

    images: int
    inside: float
    by_chance: float


def measure_hiding(
    encoder: Encoder, table: LabelTable, *, seed: int = 0, progress: Progress | None = None
) -> dict[str, Hiding]:
    """Hide the most attended HIDDEN_SHARE of each picture, and as much elsewhere.

    The attention map is brought to the picture's size (bilinear) and its highest pixels are
    hidden under the picture's mean colour: blurred, they would still show their colour. Elsewhere
    is the same area moved by a random step, what leaves on one side entering on the other, so
    that it has the same form. The white that pads a picture to a square counts as no part of it.

    Args:
        encoder: the model.
        table: one split; per attribute, the pictures labelled with a value are measured.
        seed: of the random areas.
        progress: told of each picture done.

    Raises:
        ValueError: the model and the table share no attribute.
        UndecodableImage: naming the first file that cannot be read.
    """
    shared = shared_attributes(table, encoder.card.attributes)
    seen = {a.name: table.visible(a.name) == 1 for _, a in shared}
    changes: dict[str, list[NDArray[np.bool_]]] = {attribute.name: [] for _, attribute in shared}
    for row, file in enumerate(table.files):
        wanted = [(index, a) for index, a in shared if seen[a.name][row]]
        if wanted:
            picture = pixels.decode_file(file, encoder.card.preprocessing)
            content = _content(open_picture(file).size, encoder.card.preprocessing)
            rng = np.random.default_rng((seed, row))
            for name, changed in _changes(encoder, picture, content, wanted, rng):
                changes[name].append(changed)
        if progress:
            progress(1)
    return {
        name: Hiding(
            images=len(rows),
            attended=float(np.mean([changed[0] for changed in rows])),
            elsewhere=float(np.mean([changed[1:].mean() for changed in rows])),
        )
        for name, rows in changes.items()
        if rows
    }


def measure_peaks(
    encoder: Encoder, *, count: int = 400, seed: int = 0, progress: Progress | None = None
) -> dict[str, Peaks]:
    """Compare attention peaks with the parts of drawn garments, for the attributes of RIGHT_PARTS.

    A peak is inside when its cell of the attention grid overlaps the right part anywhere.

    Args:
        encoder: the model; attributes that it lacks are left out.
        count: garments drawn.
        seed: of the drawings.
        progress: told of each garment done.
    """
    indices = {
        name: encoder.card.attribute_names.index(name)
        for name in RIGHT_PARTS
        if name in encoder.card.attribute_names
    }
    found: dict[str, list[tuple[bool, float]]] = {name: [] for name in indices}
    for number in range(count):
        drawn = Drawn.numbered(number, seed)
        picture = as_served(drawn.picture(), encoder.card.preprocessing)
        attention = encoder.encode(picture[None]).attention[0]  # (A, h, w)
        for name, index in indices.items():
            part = RIGHT_PARTS[name](drawn)
            if part is not None:
                cells = _cells_overlapping(part, attention.shape[1:])
                peak = int(attention[index].argmax())
                found[name].append((bool(cells.flat[peak]), float(cells.mean())))
        if progress:
            progress(1)
    return {
        name: Peaks(len(rows), *(float(mean) for mean in np.mean(rows, axis=0)))
        for name, rows in found.items()
        if rows
    }


def _right_collar(drawn: Drawn) -> Mask | None:
    """The collar; where there is none, the neckline shows that."""
    return _parts(drawn, "neckline" if drawn.design.collar == "none" else "collar")


def _right_neckline(drawn: Drawn) -> Mask | None:
    """The neckline, and a collar where the collar makes the opening (collared, high)."""
    return _parts(drawn, "neckline", "collar")


def _right_sleeves(drawn: Drawn) -> Mask | None:
    """The sleeves; sleeveless garments are left out, having no such part."""
    return _parts(drawn, "sleeves")


def _right_closure(drawn: Drawn) -> Mask | None:
    """The closure; on a pullover, where a closure of the same garment would be.

    Pullovers on which none can be drawn (under a roll collar, a keyhole) are left out.
    """
    design = drawn.design
    if design.closure != "pullover":
        return _parts(drawn, "closure")
    possible = [c for c in allowed_values(design, "closure") if c not in ("pullover", "open")]
    if not possible:
        return None
    first = min(possible, key=VALUES["closure"].index)
    return drawn.masks(variant(design, "closure", first)).get("closure")


def _right_pattern(drawn: Drawn) -> Mask | None:
    """Cloth anywhere, since all of it carries the pattern; a graphic is on the front alone."""
    parts = ("body", "closure") if drawn.design.pattern == "graphic" else tuple(drawn.masks())
    return _parts(drawn, *parts)


RIGHT_PARTS: Final[Mapping[str, Callable[[Drawn], Mask | None]]] = {
    "collar": _right_collar,
    "neckline": _right_neckline,
    "sleeve_length": _right_sleeves,
    "closure": _right_closure,
    "pattern": _right_pattern,
}
"""Per attribute, the mask a peak must meet; None where the garment has no such part."""


def _parts(drawn: Drawn, *names: str) -> Mask | None:
    masks = drawn.masks()
    there = [masks[name] for name in names if name in masks]
    return np.logical_or.reduce(there) if there else None


def _cells_overlapping(mask: Mask, grid: tuple[int, ...]) -> Mask:
    """(h, w) whether each cell of a grid over the picture shares a pixel with the mask."""
    height, width = grid
    rows = np.linspace(0, mask.shape[0], height + 1)
    columns = np.linspace(0, mask.shape[1], width + 1)
    cells = np.zeros((height, width), dtype=bool)
    for y in range(height):
        band = mask[int(rows[y]) : int(np.ceil(rows[y + 1]))]
        for x in range(width):
            cells[y, x] = band[:, int(columns[x]) : int(np.ceil(columns[x + 1]))].any()
    return cells


def _changes(
    encoder: Encoder,
    picture: NDArray[np.uint8],
    content: tuple[slice, slice],
    wanted: list[tuple[int, AttributeCard]],
    rng: np.random.Generator,
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Per attribute, (1 + ROUNDS,) whether hiding the attended area, then others, changes it."""
    attention = encoder.encode(picture[None]).attention[0]  # (A, h, w)
    variants = [picture]
    for index, _ in wanted:
        area = most_attended(attention[index], picture.shape[0], content)
        variants += [_hidden(picture, content, area)]
        variants += [_hidden(picture, content, _moved(area, rng)) for _ in range(ROUNDS)]
    vectors = encoder.encode(np.stack(variants)).vectors  # (1 + len(wanted) * (1 + ROUNDS), A, D)
    for place, (index, attribute) in enumerate(wanted):
        start = 1 + place * (1 + ROUNDS)
        own = vectors[[0, *range(start, start + 1 + ROUNDS)], index]
        values = value_probabilities(own, attribute).argmax(axis=1)
        yield attribute.name, values[1:] != values[0]


def most_attended(attention: NDArray[np.float32], side: int, content: tuple[slice, slice]) -> Mask:
    """The HIDDEN_SHARE of a picture with the highest attention.

    Args:
        attention: (h, w) over the network's square input.
        side: of that input, pixels.
        content: rows and columns of the input that the picture fills.

    Returns:
        (H, W) bool over the picture.
    """
    map_ = Image.fromarray(attention).resize((side, side), Image.Resampling.BILINEAR)
    strength = np.asarray(map_)[content]
    area = np.zeros(strength.size, dtype=bool)
    highest = np.argsort(-strength, axis=None, kind="stable")
    area[highest[: round(HIDDEN_SHARE * strength.size)]] = True
    return area.reshape(strength.shape)


def _moved(area: Mask, rng: np.random.Generator) -> Mask:
    steps = (int(rng.integers(area.shape[0])), int(rng.integers(area.shape[1])))
    return np.roll(area, steps, axis=(0, 1))


def _hidden(
    picture: NDArray[np.uint8], content: tuple[slice, slice], area: Mask
) -> NDArray[np.uint8]:
    covered = picture.copy()
    covered[content][area] = picture[content].mean(axis=(0, 1)).round().astype(np.uint8)
    return covered


@lru_cache(maxsize=64)
def _content(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[slice, slice]:
    """Rows and columns of the network's input that a picture of a size fills."""
    black = as_served(Image.new("RGB", size), preprocessing) == 0
    rows, columns = np.flatnonzero(black.any(axis=(1, 2))), np.flatnonzero(black.any(axis=(0, 2)))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
