"""Edited copies: what is done to a photograph before it is shown as somebody else's.

Every edit works on a Pillow picture of any shape, so that the same edits serve small packed
pictures in training and whole files in a measurement. An edit tells how much of the source is
left to be seen: that is what makes being a copy a direction (Wang et al., AAAI 2023,
arXiv 2205.12358).
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from model.backgrounds import busy_background, pasted
from model.cutting import garment_mask

_LEAST_SIDE: Final = 24  # pixels; edits leave at least this much of a picture
_LETTERS: Final = "abcdefghijklmnoprstuvwyABCDEFGHKLMNOPRSTW0123456789%!&"
_FONT_SIZES: Final = tuple(range(8, 73, 8))
_FONTS: Final = {size: ImageFont.load_default(size) for size in _FONT_SIZES}


class Edited(NamedTuple):
    """A copy.

    Attributes:
        picture: RGB.
        kept: share of the source's content still to be seen, 0..1; 1 where nothing is hidden.
        kinds: what was done, in order.
    """

    picture: Image.Image
    kept: float
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A picture to be copied.

    Attributes:
        picture: RGB.
        garment: tells where the garment is, (H, W) bool, or None where it cannot be cut out;
            asked only when a new ground is wanted, since looking takes longer than all edits.
    """

    picture: Image.Image
    garment: Callable[[], NDArray[np.bool_] | None] = lambda: None

    @classmethod
    def of(cls, picture: Image.Image) -> "Source":
        """A picture whose garment is looked for by colour, once."""
        return cls(picture, cache(partial(garment_mask, picture)))


@dataclass(frozen=True)
class Editor:
    """Makes copies.

    Attributes:
        others: other pictures, RGB, for pages, stickers and grounds. Not to hold a picture that
            copies are told apart from, since a page then shows both.
    """

    others: Sequence[Image.Image]

    def copy(
        self,
        source: Source,
        strength: float,
        rng: np.random.Generator,
        *,
        kinds: Sequence[str] | None = None,
    ) -> Edited:
        """Edit a picture, in several ways at once the stronger it is meant to be.

        Args:
            source: what is copied.
            strength: 0 (hardly seen) to 1 (severe).
            rng: decides everything else.
            kinds: exactly these edits, by name; default some at random. A ``background`` is left
                out where the garment could not be cut out.

        Raises:
            ValueError: unknown kind.
        """
        if unknown := [kind for kind in kinds or () if kind not in KINDS]:
            raise ValueError(f"unknown edits {unknown}; known: {', '.join(KINDS)}")
        asked = _some_kinds(strength, rng) if kinds is None else kinds
        edited = Edited(source.picture, 1.0, ())
        for kind in KINDS:  # in the order in which a copyist works
            if kind not in asked:
                continue
            garment = source.garment() if kind == "background" else None
            if kind == "background" and garment is None:
                continue
            step = _Step(edited.picture, garment, strength, rng, self.others)
            picture, kept = _EDITS[kind](step)
            edited = Edited(picture, edited.kept * kept, (*edited.kinds, kind))
        return edited


class _Step(NamedTuple):
    picture: Image.Image
    garment: NDArray[np.bool_] | None  # for a new ground, which comes before anything else
    strength: float
    rng: np.random.Generator
    others: Sequence[Image.Image]

    def between(self, mild: float, severe: float, *, least: float = 0.3) -> float:
        """A number on the way from mild to severe: at least ``least`` of the strength."""
        share = self.strength * self.rng.uniform(least, 1.0)
        return mild + (severe - mild) * share

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def color(self) -> tuple[int, int, int]:
        if self.chance(0.4):
            grey = 255 if self.chance(0.6) else int(self.rng.integers(256))
            return grey, grey, grey
        red, green, blue = (int(channel) for channel in self.rng.integers(0, 256, 3))
        return red, green, blue

    def other(self) -> Image.Image:
        return self.others[int(self.rng.integers(len(self.others)))]


def _background(step: _Step) -> tuple[Image.Image, float]:
    size, garment = step.picture.size, step.garment
    assert garment is not None
    if step.chance(0.4):
        ground = busy_background(size, step.rng)
    elif step.chance(0.4):
        ground = Image.new("RGB", size, step.color())
    else:  # a corner of another picture, blown up: a floor or a wall
        other = step.other()
        width, height = (max(8, length // 4) for length in other.size)
        left, top = int(step.chance(0.5)) * (other.width - width), 0
        ground = other.crop((left, top, left + width, top + height)).resize(size)
    return pasted(step.picture, garment, ground), 1.0


def _crop(step: _Step) -> tuple[Image.Image, float]:
    width, height = step.picture.size
    area = step.between(0.9, 0.2)
    stretch = float(np.exp(step.rng.uniform(-0.25, 0.25)))
    across, down = min(1.0, area**0.5 * stretch), min(1.0, area**0.5 / stretch)
    new_width = min(width, max(_LEAST_SIDE, round(width * across)))
    new_height = min(height, max(_LEAST_SIDE, round(height * down)))
    left = int(step.rng.integers(width - new_width + 1))
    top = int(step.rng.integers(height - new_height + 1))
    cropped = step.picture.crop((left, top, left + new_width, top + new_height))
    return cropped, new_width * new_height / (width * height)


def _mirror(step: _Step) -> tuple[Image.Image, float]:
    return ImageOps.mirror(step.picture), 1.0


def _recolor(step: _Step) -> tuple[Image.Image, float]:
    amount = step.between(0.1, 0.7)
    picture = step.picture
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(float(np.exp(step.rng.uniform(-amount, amount))))
    if step.strength > 0.3 and step.chance(0.5):
        hue, saturation, value = picture.convert("HSV").split()
        turn = round(step.rng.uniform(-1, 1) * 128 * amount)
        turned = hue.point([(level + turn) % 256 for level in range(256)])
        picture = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    if step.strength > 0.5 and step.chance(0.15):
        picture = ImageOps.grayscale(picture).convert("RGB")
    return picture, 1.0


def _stickers(step: _Step) -> tuple[Image.Image, float]:
    picture = step.picture.copy()
    width, height = picture.size
    covered = Image.new("L", picture.size)
    pens = (ImageDraw.Draw(picture), ImageDraw.Draw(covered))
    area = step.between(0.03, 0.45)
    count = int(step.rng.integers(1, 6))
    for _ in range(count):
        side = (area / count * width * height) ** 0.5
        stretch = float(np.exp(step.rng.uniform(-0.5, 0.5)))
        w, h = side * stretch / 2, side / stretch / 2
        x, y = step.rng.uniform(0, width), step.rng.uniform(0, height)
        box = (x - w, y - h, x + w, y + h)
        if step.chance(0.4):
            piece = step.other().resize((max(1, round(2 * w)), max(1, round(2 * h))))
            picture.paste(piece, (round(x - w), round(y - h)))
            pens[1].rectangle(box, fill=255)
            continue
        fill = step.color()
        if step.chance(0.5):
            pens[0].ellipse(box, fill=fill)
            pens[1].ellipse(box, fill=255)
        else:
            corners = [
                (x + w * np.cos(turn) * reach, y + h * np.sin(turn) * reach)
                for turn, reach in zip(
                    np.linspace(0, 2 * np.pi, 9)[:-1], step.rng.uniform(0.6, 1.4, 8), strict=True
                )
            ]
            pens[0].polygon(corners, fill=fill)
            pens[1].polygon(corners, fill=255)
    return picture, 1.0 - float(np.asarray(covered, np.float32).mean()) / 255


def _text(step: _Step) -> tuple[Image.Image, float]:
    picture = step.picture.copy()
    width, height = picture.size
    covered = Image.new("L", picture.size)
    pens = (ImageDraw.Draw(picture), ImageDraw.Draw(covered))
    for _ in range(round(step.between(1, 6))):
        wanted = height * step.rng.uniform(0.04, 0.08 + 0.14 * step.strength)
        font = _FONTS[min(_FONT_SIZES, key=lambda size: abs(size - wanted))]
        words = _words(step.rng)
        x, y = step.rng.uniform(-0.1, 0.5) * width, step.rng.uniform(0, 0.95) * height
        box = pens[0].textbbox((x, y), words, font=font)
        if step.chance(0.4):
            pens[0].rectangle(box, fill=step.color())
            pens[1].rectangle(box, fill=255)
        pens[0].text((x, y), words, font=font, fill=step.color())
        pens[1].text((x, y), words, font=font, fill=255)
    return picture, 1.0 - float(np.asarray(covered, np.float32).mean()) / 255


def _words(rng: np.random.Generator) -> str:
    letters = rng.choice(list(_LETTERS), int(rng.integers(4, 20)))
    spaces = rng.random(len(letters)) < 0.15
    return "".join(" " if space else str(x) for x, space in zip(letters, spaces, strict=True))


def _perspective(step: _Step) -> tuple[Image.Image, float]:
    picture = step.picture
    width, height = picture.size
    reach = step.between(0.03, 0.22)
    if step.chance(0.4):
        angle = step.rng.uniform(-1, 1) * 140 * reach
        return picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=step.color()), 1.0
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], np.float64)
    moved = corners + inwards * step.rng.uniform(-0.3, 1, (4, 2)) * reach * (width, height)
    coefficients = _homography(moved, corners)
    warped = picture.transform(
        picture.size,
        Image.Transform.PERSPECTIVE,
        coefficients,
        Image.Resampling.BILINEAR,
        fillcolor=step.color(),
    )
    return warped, 1.0


def _homography(places: NDArray[np.float64], origins: NDArray[np.float64]) -> list[float]:
    """The eight numbers Pillow wants: from places in the result to places in the picture."""
    rows = []
    for (x, y), (u, v) in zip(places, origins, strict=True):
        rows += [
            [x, y, 1, 0, 0, 0, -u * x, -u * y],
            [0, 0, 0, x, y, 1, -v * x, -v * y],
        ]
    solution: list[float] = np.linalg.solve(np.array(rows), origins.reshape(-1)).tolist()
    return solution


def _collage(step: _Step) -> tuple[Image.Image, float]:
    """A page with the picture and others on it."""
    picture = step.picture
    share = step.between(0.85, 0.4)  # of the page's side
    longer = max(picture.size)
    page_side = round(longer / share)
    page_size = (page_side, round(page_side * float(np.exp(step.rng.uniform(-0.3, 0.3)))))
    page_size = (page_size[0], max(page_size[1], picture.height))
    if step.chance(0.3):
        page = step.other().resize(page_size)
    else:
        page = Image.new("RGB", page_size, step.color())
    for _ in range(int(step.rng.integers(1, 5))):
        _paste_at_random(page, _shrunk(step.other(), step.rng.uniform(0.2, 0.6) * page_side), step)
    left = int(step.rng.integers(max(1, page.width - picture.width + 1)))
    top = int(step.rng.integers(max(1, page.height - picture.height + 1)))
    page.paste(picture, (left, top))
    if step.chance(0.5):
        page, _ = _text(step._replace(picture=page, strength=0.2 * step.strength))
    small = _shrunk(page, 1.25 * longer)
    return small, min(1.0, picture.width * picture.height / (page.width * page.height))


def _paste_at_random(page: Image.Image, piece: Image.Image, step: _Step) -> None:
    x = round(step.rng.uniform(-0.3, 1.0) * page.width)
    y = round(step.rng.uniform(-0.3, 1.0) * page.height)
    page.paste(piece, (x, y))


def _shrunk(picture: Image.Image, side: float) -> Image.Image:
    scale = side / max(picture.size)
    width, height = (max(_LEAST_SIDE, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _screenshot(step: _Step) -> tuple[Image.Image, float]:
    """A phone's or a shop's page around the picture: bars, buttons, lines of text."""
    picture = step.picture
    bar, margin = step.between(0.04, 0.35), step.between(0.0, 0.15)
    above, below = (round(picture.height * bar * step.rng.uniform(0.3, 1)) for _ in range(2))
    beside = round(picture.width * margin * step.rng.uniform(0, 1))
    size = (picture.width + 2 * beside, picture.height + above + below)
    screen = Image.new("RGB", size, step.color())
    screen.paste(picture, (beside, above))
    pen = ImageDraw.Draw(screen)
    for top, room in ((0, above), (above + picture.height, below)):
        if room < 6:
            continue
        if step.chance(0.5):
            pen.rectangle((0, top, size[0], top + room), fill=step.color())
        font = _FONTS[min(_FONT_SIZES, key=lambda size: abs(size - room * 0.3))]
        place = (size[0] * step.rng.uniform(0, 0.4), top + room * 0.2)
        pen.text(place, _words(step.rng), font=font, fill=step.color())
        for _ in range(int(step.rng.integers(4))):
            x, radius = step.rng.uniform(0, size[0]), room * 0.25
            y = top + room / 2
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=step.color())
    return screen, picture.width * picture.height / (size[0] * size[1])


def _blur(step: _Step) -> tuple[Image.Image, float]:
    radius = step.between(0.002, 0.018) * max(step.picture.size)
    return step.picture.filter(ImageFilter.GaussianBlur(radius)), 1.0


def _jpeg(step: _Step) -> tuple[Image.Image, float]:
    picture = step.picture
    if step.chance(0.5):
        picture = _shrunk(picture, step.between(1.0, 0.35) * max(picture.size))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=round(step.between(80, 8)))
    return Image.open(stream).convert("RGB"), 1.0


_EDITS: Final[dict[str, Callable[[_Step], tuple[Image.Image, float]]]] = {
    "background": _background,
    "crop": _crop,
    "mirror": _mirror,
    "recolor": _recolor,
    "stickers": _stickers,
    "text": _text,
    "perspective": _perspective,
    "collage": _collage,
    "screenshot": _screenshot,
    "blur": _blur,
    "jpeg": _jpeg,
}
KINDS: Final = tuple(_EDITS)
"""Names of the edits, in the order in which they are made."""


def _some_kinds(strength: float, rng: np.random.Generator) -> list[str]:
    """One edit or two where little is done, up to four where much is."""
    count = 1 + int(rng.integers(1 + round(3 * strength)))
    return [str(kind) for kind in rng.choice(KINDS, count, replace=False)]
