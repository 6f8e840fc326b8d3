"""A few drawn garments to try things out with, in docs/examples.

`python -m model.drawings.examples docs/examples` draws them again.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from model.drawings.design import Design
from model.drawings.painting import draw

EXAMPLES: Final[Mapping[str, tuple[Design, int]]] = {
    "striped-shirt": (
        Design("shirt", "shirt", "collared", "long", "buttons", "stripe", "blue"),
        14,
    ),
    "short-sleeved": (
        Design("shirt", "shirt", "collared", "short", "buttons", "stripe", "blue"),
        21,
    ),
    "red-hoodie": (Design("hoodie", "hood", "collared", "long", "zip", "solid", "red"), 18),
    "floral-dress": (
        Design("dress", "none", "scoop", "sleeveless", "pullover", "floral", "white", "knee"),
        1,
    ),
}
"""File name without its ending, design, and seed of its look."""
SIDE_PIXELS: Final = 360


def write_examples(folder: Path) -> list[Path]:
    """Draw each example as a JPEG file into a folder, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (design, seed) in EXAMPLES.items():
        file = folder / f"{name}.jpg"
        picture = draw(design, size=SIDE_PIXELS, rng=np.random.default_rng(seed))
        picture.save(file, quality=88)
        files.append(file)
    return files


if __name__ == "__main__":
    for written in write_examples(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/examples")):
        print(written)
