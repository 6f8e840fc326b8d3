"""Labels and photographs to augmented batches.

Photographs are decoded once, by the same ``model.pixels.decode`` that serves, into one uint8
array on disk; epochs then read memory only. Augmentation works on whole batches on the training
device: one affine resampling, then colour, then a hidden rectangle.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from api_schemas.card import Preprocessing
from model import pixels
from model.labels import LabelTable

PackedPixels = np.memmap[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Targets:
    """What the table says, as the losses read it.

    Attributes:
        value_names: per attribute, the values learnt, most frequent first.
        values: (N, A) int64 index into them, -1 where there is none.
        visible: (N, A) float32, 1, 0, or NaN where unlabelled.
    """

    value_names: tuple[tuple[str, ...], ...]
    values: Tensor
    visible: Tensor

    @classmethod
    def of(cls, table: LabelTable, value_names: Sequence[Sequence[str]]) -> "Targets":
        """Targets of a table for the given value names, one sequence per attribute."""
        per_attribute = list(zip(table.attributes, value_names, strict=True))
        return cls(
            value_names=tuple(tuple(names) for names in value_names),
            values=torch.from_numpy(
                np.stack([table.value_indices(a, names) for a, names in per_attribute], axis=1)
            ),
            visible=torch.from_numpy(
                np.stack([table.visible(a) for a in table.attributes], axis=1)
            ),
        )

    def value_counts(self) -> Tensor:
        """(A, V) int64, rows of each value; 0 past an attribute's last value."""
        most = max(len(names) for names in self.value_names)
        one_hot = F.one_hot(self.values + 1, most + 1)  # column 0 gathers "no value"
        return one_hot.sum(0)[:, 1:]


def learnt_values(training: LabelTable, attribute: str, *, at_least: int) -> tuple[str, ...]:
    """The values in at least so many photographs, commonest first; all where each is rarer."""
    return training.values(attribute, at_least=at_least) or training.values(attribute)


def packed_pixels(files: Sequence[Path], preprocessing: Preprocessing, cache: Path) -> PackedPixels:
    """Decode photographs once.

    Args:
        files: the images, in order.
        preprocessing: size and fit to decode at.
        cache: folder where the packed array is kept and found again.

    Returns:
        (N, S, S, 3) uint8, memory-mapped and read-only.

    Raises:
        UndecodableImage: naming the first file that cannot be read.
    """
    size = preprocessing.input_size
    key = hashlib.sha256(f"{preprocessing.fit} {size}".encode())
    for file in files:
        key.update(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}\n".encode())
    path = cache / f"pixels-{size}-{key.hexdigest()[:16]}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        packed = np.lib.format.open_memmap(
            partial, mode="w+", dtype=np.uint8, shape=(len(files), size, size, 3)
        )
        with ThreadPoolExecutor() as pool:
            decoded = pool.map(lambda file: pixels.decode_file(file, preprocessing), files)
            for row, image in enumerate(
                track(decoded, description=f"decoding at {size} px", total=len(files))
            ):
                packed[row] = image
        packed.flush()
        partial.rename(path)
    mapped: PackedPixels = np.load(path, mmap_mode="r")
    return mapped


def epoch_order(groups: Tensor, generator: torch.Generator, *, balance: float = 0.0) -> Tensor:
    """Which photographs an epoch shows, in order: all of them once, unless they are balanced.

    Args:
        groups: (N,) int64, who took each.
        generator: of the CPU.
        balance: above 0, N are drawn with replacement, each as likely as the number of its
            photographer's pictures to the power of ``-balance``: 1 shows all photographers alike.

    Returns:
        (N,) int64.
    """
    if not balance:
        return torch.randperm(len(groups), generator=generator)
    likely = torch.bincount(groups)[groups].double() ** -balance
    return torch.multinomial(likely, len(groups), replacement=True, generator=generator)


def epoch_batches(order: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Rows in batches of ``batch_size``; a last batch under half size is left out.

    A tiny batch would unsettle BatchNorm; the rows left out change every epoch.
    """
    for batch in torch.split(order, batch_size):
        if len(batch) == len(order) or len(batch) * 2 >= batch_size:
            yield batch


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; each is drawn per image."""

    zoom: tuple[float, float] = (0.8, 1.15)  # share of the picture's side that is kept
    aspect: float = 0.1  # log range; the length of a garment is seen by its proportions
    rotation_degrees: float = 15.0
    brightness: float = 0.35
    contrast: float = 0.35
    saturation: float = 0.35
    white_balance: float = 0.08
    shade: float = 0.25  # brighter on one side, darker on the other, at most by this share
    blur_probability: float = 0.3
    blur: float = 0.015  # greatest standard deviation, of the picture's side
    erase_probability: float = 0.3
    erase_share: tuple[float, float] = (0.03, 0.2)  # of the area


def augment(
    images: Tensor,
    size: int,
    ranges: Augmentation,
    generator: torch.Generator,
    stretch: Tensor | None = None,
) -> Tensor:
    """Change a batch at random.

    Args:
        images: (B, 3, P, P) float32 in 0..1.
        size: side of the result.
        ranges: how much.
        generator: of the CPU; the draws are the same on every device.
        stretch: (B,) log of a factor between height and width, beside what the ranges give.

    Returns:
        (B, 3, size, size) float32 in 0..1.
    """
    draw = _Draw(len(images), generator, images.device)
    return _changed(images, _placements(ranges, draw, stretch), size, ranges, draw)


def augment_with_parts(
    images: Tensor, parts: Tensor, size: int, ranges: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Change a batch at random, and move what is known of places along with it.

    Args:
        images: as for `augment`.
        parts: (B, A, c, c) float32, over the whole of each image.
        size: side of the resulting images.
        ranges: how much.
        generator: of the CPU; the draws are the same on every device.

    Returns:
        (B, 3, size, size) and (B, A, c, c).
    """
    draw = _Draw(len(images), generator, images.device)
    placements = _placements(ranges, draw)
    grid = F.affine_grid(placements, list(parts.shape), align_corners=False)
    moved = F.grid_sample(parts, grid, align_corners=False)
    return _changed(images, placements, size, ranges, draw), moved


def _changed(
    images: Tensor, placements: Tensor, size: int, ranges: Augmentation, draw: "_Draw"
) -> Tensor:
    images = _resample(images, placements, size)
    images = _recolour(images, ranges, draw)
    images = _blur(images, ranges, draw)
    return _erase(images, ranges, draw)


class _Draw:
    """Uniform numbers, one per image."""

    def __init__(self, count: int, generator: torch.Generator, device: torch.device) -> None:
        self.count, self.generator, self.device = count, generator, device

    def __call__(self, low: float, high: float, *extra: int) -> Tensor:
        unit = torch.rand(self.count, *extra, generator=self.generator)
        return (low + (high - low) * unit).to(self.device)


def _placements(ranges: Augmentation, draw: _Draw, extra: Tensor | None = None) -> Tensor:
    """(B, 2, 3) affine maps from places in the result to places in the picture."""
    angle = draw(-1, 1) * np.deg2rad(ranges.rotation_degrees)
    zoom, stretch = draw(*ranges.zoom), draw(-ranges.aspect, ranges.aspect).div(2).exp()
    if extra is not None:
        stretch = stretch * extra.to(stretch).div(2).exp()
    flip = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    across, down = zoom * stretch, zoom / stretch
    room_x, room_y = (1 - across).clamp_min(0), (1 - down).clamp_min(0)
    return torch.stack(
        [
            torch.stack(
                [flip * across * angle.cos(), -down * angle.sin(), room_x * draw(-1, 1)], 1
            ),
            torch.stack([flip * across * angle.sin(), down * angle.cos(), room_y * draw(-1, 1)], 1),
        ],
        dim=1,
    )


def _resample(images: Tensor, placements: Tensor, size: int) -> Tensor:
    working = min(images.shape[-1], round(size * 1.2))
    if working < images.shape[-1]:  # resampling below takes no average over source pixels
        images = F.interpolate(images, size=(working, working), mode="bilinear", antialias=True)
    grid = F.affine_grid(placements, [len(images), 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _recolour(images: Tensor, ranges: Augmentation, draw: _Draw) -> Tensor:
    def factor(amount: float, *extra: int) -> Tensor:
        return draw(1 - amount, 1 + amount, *extra).view(len(images), -1, 1, 1)

    images = images * factor(ranges.brightness) * factor(ranges.white_balance, 3)
    images = images * _shade(images.shape[-1], ranges, draw)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * factor(ranges.contrast)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * factor(ranges.saturation)
    return images.clamp(0, 1)


def _shade(size: int, ranges: Augmentation, draw: _Draw) -> Tensor:
    """(B, 1, size, size) factors: light that comes from one side, as a window's does."""
    direction, strength = draw(0, 2 * np.pi), draw(0, ranges.shade)
    place = torch.linspace(-1, 1, size, device=direction.device)
    across = (strength * direction.cos()).view(-1, 1, 1, 1) * place.view(1, 1, 1, size)
    down = (strength * direction.sin()).view(-1, 1, 1, 1) * place.view(1, 1, size, 1)
    return 1 + across + down


def _blur(images: Tensor, ranges: Augmentation, draw: _Draw) -> Tensor:
    """Gaussian blur of some images, as by a camera that missed its focus."""
    deviation = draw(0.002, ranges.blur) * images.shape[-1]  # (B,), pixels
    chosen = (draw(0, 1) < ranges.blur_probability).nonzero().flatten()
    if not len(chosen):
        return images
    reach = int(np.ceil(2.5 * ranges.blur * images.shape[-1]))
    offset = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (offset / deviation[chosen].unsqueeze(1)).square())
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)  # (n * 3, K)
    channels = images[chosen].flatten(0, 1).unsqueeze(0)  # (1, n * 3, S, S)
    for kernels, padding in (
        (kernel[:, None, None, :], (reach, reach, 0, 0)),
        (kernel[:, None, :, None], (0, 0, reach, reach)),
    ):
        padded = F.pad(channels, padding, mode="replicate")
        channels = F.conv2d(padded, kernels, groups=channels.shape[1])
    return images.index_copy(0, chosen, channels.view(len(chosen), *images.shape[1:]))


def _erase(images: Tensor, ranges: Augmentation, draw: _Draw) -> Tensor:
    size = images.shape[-1]
    area, stretch = draw(*ranges.erase_share), draw(-0.7, 0.7).exp()
    half_width, half_height = (area * stretch).sqrt() / 2, (area / stretch).sqrt() / 2
    centre_x, centre_y = draw(0, 1), draw(0, 1)
    axis = (torch.arange(size, device=images.device) + 0.5) / size
    inside_x = (axis - centre_x.unsqueeze(1)).abs() < half_width.unsqueeze(1)  # (B, W)
    inside_y = (axis - centre_y.unsqueeze(1)).abs() < half_height.unsqueeze(1)  # (B, H)
    erased = draw(0, 1) < ranges.erase_probability
    mask = inside_y.unsqueeze(2) & inside_x.unsqueeze(1) & erased.view(-1, 1, 1)
    colour = draw(0, 1, 3).view(-1, 3, 1, 1)
    return torch.where(mask.unsqueeze(1), colour, images)
