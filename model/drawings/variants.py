"""Design variants: a drawn garment as a copyist would change it, and drawn anew.

A variant keeps the kind of garment and changes some of its attributes; pose, proportions, shades
and ground are those of another drawing, since nobody photographs a copy on the original's floor.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from model.drawings.design import ATTRIBUTES, Design, allowed_values, variant
from model.drawings.numbered import Drawn
from model.labels import NOT_VISIBLE

CHANGEABLE: Final = tuple(name for name in ATTRIBUTES if name != "garment_type")
"""What a copyist changes: a dress stays a dress."""


def drawn_variants(originals: Sequence[Drawn], changes: int, seed: int) -> list[Drawn]:
    """A variant of each drawing, under another look.

    Args:
        originals: what is copied.
        changes: how many attributes differ.
        seed: of changes and looks.
    """
    rng = np.random.default_rng((seed, changes))
    return [
        replace(
            original,
            design=changed_design(original.design, changes, rng),
            look=(seed, number, 1 + changes),
        )
        for number, original in enumerate(originals)
    ]


def changed_design(design: Design, changes: int, rng: np.random.Generator) -> Design:
    """A drawable design that differs in exactly so many of CHANGEABLE, or as many as can be."""
    changed, left = design, changes
    for name in rng.permutation(CHANGEABLE):
        now = getattr(design, name)
        others = [v for v in allowed_values(changed, name) if v not in (now, NOT_VISIBLE)]
        if left and others:
            changed = variant(changed, name, others[int(rng.integers(len(others)))])
            left -= 1
    return changed
