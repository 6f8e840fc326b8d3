"""Technical flats: drawn garments whose design attributes are known exactly."""

from model.drawings.catalog import write_catalog
from model.drawings.design import ATTRIBUTES, VALUES, Design, allowed_values, variant
from model.drawings.painting import draw, part_masks
from model.drawings.wardrobe import random_design

__all__ = [
    "ATTRIBUTES",
    "VALUES",
    "Design",
    "allowed_values",
    "draw",
    "part_masks",
    "random_design",
    "variant",
    "write_catalog",
]
