"""From a design to a picture, and to the mask of each part.

Both run over the same marks of the same look, so under equal generators the masks fit the
picture pixel by pixel.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from model.drawings.bottoms import bottom
from model.drawings.closures import closure
from model.drawings.collars import collar
from model.drawings.design import Design
from model.drawings.frame import SUPERSAMPLING, Frame
from model.drawings.look import Look, Rgb, luminance, sample_look
from model.drawings.patterns import cloth, inside_color
from model.drawings.shapes import Button, Mark, Points, Shape, Stroke
from model.drawings.sleeves import sleeves
from model.drawings.torso import body, cut_of, neckline

PARTS: Final = ("body", "sleeves", "collar", "neckline", "closure")
MIN_SIZE_PIXELS: Final = 32
_STROKE_CM: Final = 0.9


def draw(design: Design, *, size: int = 400, rng: np.random.Generator | None = None) -> Image.Image:
    """Draw a design as a technical flat on a plain background.

    Args:
        design: what to draw.
        size: side of the square picture, pixels.
        rng: varies pose, proportions, lines, shades and background; equal generators draw
            equal pictures. None draws the same look every time.

    Returns:
        An RGB image.

    Raises:
        ValueError: for a size below MIN_SIZE_PIXELS.
    """
    look, marks, frame = _laid_out(design, size, rng)
    canvas = _Canvas(design, look, frame)
    for mark in marks:
        canvas.paint(mark)
    return canvas.finished()


def part_masks(
    design: Design, *, size: int = 400, rng: np.random.Generator | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Say where each visible part lies in what `draw` makes of the same arguments.

    Args:
        design: what would be drawn.
        size: side of the square picture, pixels.
        rng: a generator in the state the one given to `draw` was in.

    Returns:
        (size, size) bool per visible part among PARTS; the masks do not overlap, and together
        they cover the garment.

    Raises:
        ValueError: for a size below MIN_SIZE_PIXELS.
    """
    _, marks, frame = _laid_out(design, size, rng)
    label = Image.new("L", (frame.side, frame.side), 0)
    pen = ImageDraw.Draw(label)
    for mark in marks:
        if isinstance(mark, Shape):
            pen.polygon(frame.pixels(mark.points), fill=1 + PARTS.index(mark.part))
        elif isinstance(mark, Button):
            pen.ellipse(frame.disc(mark), fill=1 + PARTS.index(mark.part))
    middle = SUPERSAMPLING // 2
    labels = np.asarray(label)[middle::SUPERSAMPLING, middle::SUPERSAMPLING]
    masks = {part: labels == number for number, part in enumerate(PARTS, start=1)}
    return {part: mask for part, mask in masks.items() if mask.any()}


def _laid_out(
    design: Design, size: int, rng: np.random.Generator | None
) -> tuple[Look, list[Mark], Frame]:
    if size < MIN_SIZE_PIXELS:
        raise ValueError(f"size is {size} pixels; at least {MIN_SIZE_PIXELS} are needed")
    look = sample_look(np.random.default_rng(0) if rng is None else rng)
    marks = _marks(design, look)
    every = np.concatenate([mark.points for mark in marks if isinstance(mark, Shape)])
    frame = Frame.around(every, size=size, fill=0.9 * look.zoom, tilt=look.tilt, shift=look.shift)
    return look, marks, frame


def _marks(design: Design, look: Look) -> list[Mark]:
    """Everything to paint, from the bottom up."""
    if design.is_bottom:
        return bottom(design, look)
    cut = cut_of(design, look)
    marks = [*sleeves(design, cut, look), *body(design, cut)]
    if design.collar == "none":
        return [*marks, *neckline(design, cut), *closure(design, cut)]
    if design.collar == "stand":  # fastened to the top edge
        return [*marks, *collar(design, cut, look), *closure(design, cut)]
    return [*marks, *closure(design, cut), *collar(design, cut, look)]


class _Canvas:
    """The picture being painted, at supersampled size."""

    def __init__(self, design: Design, look: Look, frame: Frame) -> None:
        self._design, self._look, self._frame = design, look, frame
        ground = look.fabric(design.color)
        self._ink: Rgb = _ink(ground)
        self._inside = inside_color(design, look)
        self._rib = _scaled(ground, 0.9 if luminance(ground) > 60 else 1.35)
        self._image = Image.new("RGB", (frame.side, frame.side), _rounded(look.background))
        self._garment = Image.new("L", (frame.side, frame.side), 0)

    def paint(self, mark: Mark) -> None:
        if isinstance(mark, Shape):
            self._fill(mark)
        elif isinstance(mark, Stroke):
            self._stroke(mark.points, mark.weight, mark.dashed)
        else:
            self._button(mark)

    def finished(self) -> Image.Image:
        """Shade, cast a shadow, and bring to the final size."""
        size = self._frame.size
        mask = self._garment.resize((size, size), Image.Resampling.BOX)
        cover = np.asarray(mask, dtype=np.float32)[..., None] / 255
        image = np.asarray(self._image.resize((size, size), Image.Resampling.BOX), np.float32)
        soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(size * 0.022)), np.float32) / 255
        shaded = image * (0.84 + 0.16 * np.clip(soft * 2 - 1, 0, 1))[..., None]
        drop = np.roll(soft, (round(size * 0.012), round(size * 0.008)), axis=(0, 1))[..., None]
        lit = image * (1 - 0.17 * drop)
        picture = lit * (1 - cover) + shaded * cover
        return Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))

    def _fill(self, shape: Shape) -> None:
        outline = self._frame.pixels(shape.points)
        ImageDraw.Draw(self._garment).polygon(outline, fill=255)
        if shape.tone == "fabric" and self._design.pattern != "solid":
            self._fill_with_cloth(shape, outline)
        else:
            plain = {
                "fabric": self._look.fabric(self._design.color),
                "inside": self._inside,
                "rib": self._rib,
                "metal": (176.0, 178.0, 182.0),
            }
            ImageDraw.Draw(self._image).polygon(outline, fill=_rounded(plain[shape.tone]))
        if shape.outlined:
            self._stroke(np.concatenate([shape.points, shape.points[:1]]), 0.62, False)

    def _fill_with_cloth(self, shape: Shape, outline: list[tuple[float, float]]) -> None:
        xs, ys = zip(*outline, strict=True)
        left, top = int(min(xs)), int(min(ys))
        box = (int(max(xs)) - left + 2, int(max(ys)) - top + 2)
        mask = Image.new("1", box, 0)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in outline], fill=1)
        rows, columns = np.nonzero(np.asarray(mask))
        x, y = self._frame.centimetres(rows + top, columns + left)
        c, s = np.float32(np.cos(shape.grain)), np.float32(np.sin(shape.grain))
        front = shape.part in ("body", "closure")
        colors = cloth(
            self._design,
            self._look,
            x * c - y * s,
            x * s + y * c,
            length=self._frame.length,
            front=front,
        )
        patch = np.zeros((box[1], box[0], 3), dtype=np.uint8)
        patch[rows, columns] = np.clip(colors, 0, 255).astype(np.uint8)
        self._image.paste(Image.fromarray(patch), (left, top), mask)

    def _stroke(self, line: Points, weight: float, dashed: bool) -> None:
        # Lines keep their weight on paper whatever the garment's length.
        unit = self._frame.side / 400
        width = max(1, round(weight * _STROKE_CM * self._look.line * unit * 3.2))
        pen = ImageDraw.Draw(self._image)
        ink = _rounded(self._ink)
        for piece in _dashes(self._frame.pixels(line), unit * 3.4) if dashed else [line]:
            path = piece if isinstance(piece, list) else self._frame.pixels(piece)
            pen.line(path, fill=ink, width=width, joint="curve")

    def _button(self, button: Button) -> None:
        ground = self._look.fabric(self._design.color)
        face = _scaled(ground, 0.62) if luminance(ground) > 120 else _scaled(ground, 1.0, 95)
        disc = self._frame.disc(button)
        unit = max(1, round(self._frame.side / 400))
        ImageDraw.Draw(self._garment).ellipse(disc, fill=255)
        ImageDraw.Draw(self._image).ellipse(
            disc, fill=_rounded(face), outline=_rounded(self._ink), width=unit
        )


def _dashes(line: list[tuple[float, float]], dash: float) -> list[list[tuple[float, float]]]:
    xy = np.array(line)
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(xy, axis=0), axis=1))])
    starts = np.arange(0.0, run[-1], dash * 1.7)
    ends = np.minimum(starts + dash, run[-1])
    pieces = []
    for start, end in zip(starts, ends, strict=True):
        at = np.array([start, (start + end) / 2, end])
        xs, ys = np.interp(at, run, xy[:, 0]), np.interp(at, run, xy[:, 1])
        pieces.append([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)])
    return pieces


def _ink(ground: Rgb) -> Rgb:
    """Lines are dark on light cloth and light on dark cloth."""
    if luminance(ground) < 62:
        return _scaled(ground, 1.0, 78)
    return _scaled(ground, 0.34)


def _scaled(rgb: Rgb, factor: float, plus: float = 0.0) -> Rgb:
    red, green, blue = (min(252.0, value * factor + plus) for value in rgb)
    return red, green, blue


def _rounded(rgb: Rgb) -> tuple[int, int, int]:
    red, green, blue = (round(value) for value in rgb)
    return red, green, blue
