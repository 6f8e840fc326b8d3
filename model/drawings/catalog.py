"""A folder of drawn garments with a table: a shop's catalog for trying things out.

The table has the columns of a training table (file, attributes, photographer, split) and those
of a shop (brand, price, in_stock, size). A photographer here is one of a few habits of
lighting; nobody's pictures stand in two splits.
"""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from model.drawings.design import ATTRIBUTES, Design
from model.drawings.painting import draw
from model.drawings.wardrobe import random_design

COLUMNS: Final = (
    *("file", *ATTRIBUTES, "photographer", "split"),
    *("brand", "price", "in_stock", "size"),
)
PICTURE_PIXELS: Final = 288

_BRANDS: Final = ("Alder", "Brightwater", "Casa Luz", "Fjell", "Maison Ora", "Plain & Kin")
_SIZES: Final = ("XS", "S", "M", "L", "XL")
_PRICES: Final = {"outwear": 129.0, "blazer": 119.0, "dress": 69.0, "hoodie": 55.0, "pants": 59.0}
_USUAL_PRICE: Final = 29.0
_SPLITS: Final = ("train",) * 6 + ("valid",) * 2 + ("test",) * 2
"""Split by photographer number, repeating."""


def write_catalog(folder: Path, count: int, seed: int) -> Path:
    """Draw garments into ``folder/images`` and describe them in ``folder/labels.csv``.

    Args:
        folder: made if missing; files of equal names are overwritten.
        count: number of garments, at least 1.
        seed: equal seeds write equal files.

    Returns:
        The path of labels.csv.

    Raises:
        ValueError: for a count below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}; at least 1 garment is needed")
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    table = folder / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            design = random_design(rng)
            photographer = number % len(_SPLITS)
            picture = _photographed(draw(design, size=PICTURE_PIXELS, rng=rng), photographer)
            # Mostly JPEG, as photographs are; every fifth a PNG.
            name = f"garment-{number:05d}.{'png' if number % 5 == 4 else 'jpg'}"
            picture.save(images / name, quality=88)
            writer.writerow(
                {
                    "file": f"images/{name}",
                    **asdict(design),
                    "photographer": photographer,
                    "split": _SPLITS[photographer],
                    **_shop_columns(design, rng),
                }
            )
    return table


def _photographed(picture: Image.Image, photographer: int) -> Image.Image:
    """Each photographer's light has a slight cast of its own."""
    cast = 1 + 0.04 * np.sin(photographer * np.array([1.0, 1.7, 2.3]))
    pixels = np.asarray(picture, dtype=np.float32) * cast
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _shop_columns(design: Design, rng: np.random.Generator) -> dict[str, str]:
    usual = _PRICES.get(design.garment_type, _USUAL_PRICE)
    price = round(usual * float(rng.uniform(0.6, 1.7))) - 0.05
    return {
        "brand": _BRANDS[int(rng.integers(len(_BRANDS)))],
        "price": f"{price:.2f}",
        "in_stock": "true" if rng.random() < 0.85 else "false",
        "size": _SIZES[int(rng.integers(len(_SIZES)))],
    }
