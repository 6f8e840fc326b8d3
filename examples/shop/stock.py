"""Draws what the shop sells: pictures, and the feed that names them.

Nothing in the feed says what collar a garment has, as in most shops.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from model.drawings import Design, draw, random_design

SIDE_PIXELS: Final = 420
BRANDS: Final = ("Alder", "Brightwater", "Casa Luz", "Fjell", "Maison Ora", "Plain & Kin")
PRICES: Final[Mapping[str, int]] = {
    "outwear": 129,
    "blazer": 119,
    "dress": 79,
    "hoodie": 59,
    "pants": 65,
    "shirt": 49,
    "blouse": 49,
    "skirt": 45,
}
USUAL_PRICE: Final = 29
NAMES: Final[Mapping[str, str]] = {
    "outwear": "jacket",
    "longsleeve": "long-sleeved top",
    "undershirt": "tank top",
    "polo": "polo shirt",
}
PATTERNS: Final[Mapping[str, str]] = {
    "stripe": "striped",
    "check": "checked",
    "dots": "dotted",
    "allover": "printed",
    "block": "colour-block",
}
SOLD_OUT_EVERY: Final = 11


def write_stock(folder: Path, address: str, count: int, seed: int = 0) -> Path:
    """Draw garments into `folder/pictures`, and name them in `folder/feed.tsv`.

    Args:
        folder: made if missing; files of equal names are written over.
        address: of the shop, for the links.
        count: number of garments.
        seed: equal seeds draw equal garments.

    Returns:
        The feed: tab-separated, with the columns of a Google Merchant Center feed.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        design = random_design(rng)
        picture = draw(design, size=SIDE_PIXELS, rng=rng)
        row = _row(number, design, address, rng)
        picture.save(pictures / f"{row['id']}.jpg", quality=88)
        rows.append(row)
    feed = folder / "feed.tsv"
    with feed.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), dialect="excel-tab")
        writer.writeheader()
        writer.writerows(rows)
    return feed


def _row(number: int, design: Design, address: str, rng: np.random.Generator) -> dict[str, str]:
    id = f"{design.garment_type}-{number:03}"
    price = PRICES.get(design.garment_type, USUAL_PRICE) + 10 * int(rng.integers(3))
    return {
        "id": id,
        "title": _title(design),
        "brand": BRANDS[int(rng.integers(len(BRANDS)))],
        "price": f"{price}.00 EUR",
        "availability": "out_of_stock" if number % SOLD_OUT_EVERY == 10 else "in_stock",
        "product_type": design.garment_type,
        "link": f"{address}/products/{id}",
        "image_link": f"{address}/pictures/{id}.jpg",
    }


def _title(design: Design) -> str:
    color = "multicoloured" if design.color == "multi" else design.color
    pattern = "" if design.pattern == "solid" else PATTERNS.get(design.pattern, design.pattern)
    name = NAMES.get(design.garment_type, design.garment_type)
    return " ".join(filter(None, (color, pattern, name))).capitalize()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="http://127.0.0.1:9000", help="of the shop")
    parser.add_argument("--count", type=int, default=60, help="garments; 60 unless given")
    arguments = parser.parse_args()
    print(write_stock(arguments.folder, arguments.address, arguments.count))
