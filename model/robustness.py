"""How much worse garments are found when their pictures are changed in ways that should not matter.

All pictures of the split are changed, queries and candidates alike. A change happens to the
picture before the serving decode, which then sees what an upload would have been. A new
background needs the garment cut out, which works for some photographs only: that change is
measured on those, beside the same photographs unchanged, and what share they are is told.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from api_schemas.card import AttributeCard, Preprocessing
from model import pixels
from model.backgrounds import busy_background, pasted
from model.cutting import garment_mask
from model.drawings.numbered import Drawn, drawn_table
from model.encoder import Encoder
from model.evaluate import (
    EmbeddedTable,
    Progress,
    cross_photographer_map,
    embed_table,
    shared_attributes,
)
from model.labels import LabelTable

Change = Callable[[Image.Image], Image.Image | None]
"""From an RGB picture to a changed one; None where the change cannot be made to this picture."""

ROTATION_DEGREES: Final = 15.0
CROP_SHARE: Final = 0.8
"""Share of each side that a centre crop keeps."""
JPEG_QUALITY: Final = 30
BLUR_SHARE: Final = 0.01
"""Standard deviation of the blur, of the picture's longer side."""


@dataclass(frozen=True)
class Robustness:
    """Cross-photographer MAP under one change, beside the same pictures unchanged.

    Attributes:
        images: pictures measured: all to which the change could be made.
        of: pictures in the table.
        clean: MAP per attribute, pictures as they are.
        changed: MAP per attribute, every picture changed.
    """

    images: int
    of: int
    clean: Mapping[str, float]
    changed: Mapping[str, float]

    @property
    def mean_clean(self) -> float:
        """Mean over attributes."""
        return float(np.mean(list(self.clean.values())))

    @property
    def mean_changed(self) -> float:
        """Mean over attributes."""
        return float(np.mean(list(self.changed.values())))

    @property
    def points_lost(self) -> float:
        """Mean MAP lost, in hundredths; below 0 where the change helped."""
        return 100 * (self.mean_clean - self.mean_changed)


def mirror(image: Image.Image) -> Image.Image:
    """Left and right exchanged."""
    return ImageOps.mirror(image)


def rotate(image: Image.Image) -> Image.Image:
    """Turned anticlockwise by ROTATION_DEGREES in the same frame.

    The corners continue with the picture's reflection, as a tilted camera sees more of the floor.
    """
    margin = max(image.size) // 4
    around = np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    turned = Image.fromarray(around).rotate(ROTATION_DEGREES, Image.Resampling.BICUBIC)
    return ImageOps.crop(turned, margin)


def crop(image: Image.Image) -> Image.Image:
    """The middle, CROP_SHARE of each side."""
    dx, dy = (round(side * (1 - CROP_SHARE) / 2) for side in image.size)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def compress(image: Image.Image) -> Image.Image:
    """Through a JPEG file of JPEG_QUALITY."""
    file = BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return Image.open(file).convert("RGB")


def blur(image: Image.Image) -> Image.Image:
    """Gaussian blur of BLUR_SHARE of the longer side: 4 pixels of 400."""
    return image.filter(ImageFilter.GaussianBlur(BLUR_SHARE * max(image.size)))


def darken(image: Image.Image) -> Image.Image:
    """Every channel times 0.6."""
    return ImageEnhance.Brightness(image).enhance(0.6)


def brighten(image: Image.Image) -> Image.Image:
    """Every channel times 1.5, clipped at white."""
    return ImageEnhance.Brightness(image).enhance(1.5)


def on_busy_background(image: Image.Image) -> Image.Image | None:
    """The garment cut out and laid on a background of its own choosing, by the picture's bytes."""
    mask = garment_mask(image)
    return None if mask is None else pasted(image, mask, _background_for(image))


def on_white(image: Image.Image) -> Image.Image | None:
    """The garment cut out and laid on white: what the cutting itself costs."""
    mask = garment_mask(image)
    return None if mask is None else pasted(image, mask, Image.new("RGB", image.size, "white"))


CHANGES: Final[Mapping[str, Change]] = {
    "mirror": mirror,
    "rotation by 15 degrees": rotate,
    "centre crop to 80 %": crop,
    "JPEG quality 30": compress,
    "Gaussian blur": blur,
    "brightness 0.6": darken,
    "brightness 1.5": brighten,
    "busy background": on_busy_background,
    "cut out, on white": on_white,
}
"""The changes by name; the last is no trial of its own but a reference for the one before."""


def measure_robustness(
    encoder: Encoder,
    table: LabelTable,
    *,
    changes: Mapping[str, Change] = CHANGES,
    progress: Progress | None = None,
) -> dict[str, Robustness]:
    """Measure retrieval under each change; one that fits no picture is left out.

    Args:
        encoder: the model.
        table: one split.
        changes: by name.
        progress: told of each picture embedded; there are (1 + number of changes) * len(table).

    Raises:
        ValueError: the model and the table share no attribute.
        UndecodableImage: naming the first file that cannot be read.
    """
    attributes = encoder.card.attributes
    clean = embed_table(encoder, table, progress=progress)
    clean_maps = _maps(clean, attributes)
    measured = {}
    for name, change in changes.items():
        read = Changed(change, encoder.card.preprocessing)
        changed = embed_table(encoder, table, progress=progress, read=read)
        rows = [row for row, file in enumerate(table.files) if file not in read.unchangeable]
        if not rows:
            continue
        everything = len(rows) == len(table)
        measured[name] = Robustness(
            images=len(rows),
            of=len(table),
            clean=clean_maps if everything else _maps(_taken(clean, rows), attributes),
            changed=_maps(_taken(changed, rows), attributes),
        )
    return measured


def measure_drawn_background(
    encoder: Encoder, *, count: int = 400, seed: int = 0, progress: Progress | None = None
) -> Robustness:
    """The same for drawn garments, whose masks are exact, on their plain and on busy backgrounds.

    Args:
        encoder: the model.
        count: garments drawn.
        seed: of the drawings.
        progress: told of each picture embedded; there are 2 * count.
    """
    table = drawn_table(count, seed)

    def plain(file: Path) -> NDArray[np.uint8]:
        return as_served(Drawn.numbered(int(file.name), seed).picture(), encoder.card.preprocessing)

    def busy(file: Path) -> NDArray[np.uint8]:
        drawn = Drawn.numbered(int(file.name), seed)
        picture, mask = drawn.picture(), np.logical_or.reduce(list(drawn.masks().values()))
        changed = pasted(picture, mask, _background_for(picture))
        return as_served(changed, encoder.card.preprocessing)

    maps = [
        _maps(embed_table(encoder, table, progress=progress, read=read), encoder.card.attributes)
        for read in (plain, busy)
    ]
    return Robustness(images=count, of=count, clean=maps[0], changed=maps[1])


class Changed:
    """Reads files with a change made; remembers those to which it could not be made."""

    def __init__(self, change: Change, preprocessing: Preprocessing) -> None:
        self._change, self._preprocessing = change, preprocessing
        self.unchangeable: set[Path] = set()

    def __call__(self, file: Path) -> NDArray[np.uint8]:
        """The network's input for a file, (S, S, 3) uint8."""
        picture = open_picture(file)
        changed = self._change(picture)
        if changed is None:
            self.unchangeable.add(file)
        return as_served(picture if changed is None else changed, self._preprocessing)


def open_picture(file: Path) -> Image.Image:
    """An image file as people see it: upright, RGB, on white."""
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("RGB")


def as_served(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The network's input, (S, S, 3) uint8, when a picture is uploaded without loss."""
    file = BytesIO()
    image.save(file, "BMP")
    return pixels.decode(file.getvalue(), preprocessing)


def _background_for(image: Image.Image) -> Image.Image:
    """Chosen by the picture's bytes: another for each picture, the same one every time."""
    return busy_background(image.size, np.random.default_rng(zlib.crc32(image.tobytes())))


def _taken(embedded: EmbeddedTable, rows: list[int]) -> EmbeddedTable:
    return replace(
        embedded,
        table=embedded.table.take(rows),
        vectors=embedded.vectors[rows],
        visible=embedded.visible[rows],
        global_vectors=embedded.global_vectors[rows],
    )


def _maps(embedded: EmbeddedTable, attributes: tuple[AttributeCard, ...]) -> dict[str, float]:
    """Cross-photographer MAP per shared attribute."""
    table, vectors = embedded.table, embedded.vectors
    return {
        attribute.name: cross_photographer_map(vectors[:, index], table, attribute.name)
        for index, attribute in shared_attributes(table, attributes)
    }
