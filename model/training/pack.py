"""Labelled photographs as one small archive, for training on another machine.

``python -m model.training.pack --data labels.csv --out packed/mine`` shrinks every photograph and
writes the table beside them, once as the folder ``packed/mine`` and once as ``packed/mine.tar``,
which unpacks to that folder: thousands of small files travel badly. A packed table trains,
evaluates and exports as the first one does, on slightly smaller and softer pictures.
"""

import csv
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import typer
from PIL import Image
from rich.console import Console

from api_schemas.card import Preprocessing
from model import pixels
from model.labels import LabelTableError
from model.pixels import MIN_SIDE_PIXELS, UndecodableImage

MIB: Final = 2**20
QUALITIES: Final = range(40, 96)
"""WebP qualities that are tried; beyond 95 files grow and pictures hardly change."""

# At equal size, 256 px copies of photographs came back with 1 dB less error than from JPEG; the
# decoder takes three times as long, which is still about 1 ms a picture on one core.
_FORMAT: Final = "WEBP"
_SAMPLE: Final = 256  # pictures from which the first quality is guessed


class PackError(ValueError):
    """The photographs do not fit."""


@dataclass(frozen=True)
class Packed:
    """What was written."""

    folder: Path
    archive: Path
    pictures: int
    quality: int
    archive_bytes: int


def pack(
    data: Path,
    out: Path,
    *,
    longer_side: int = 256,
    limit_bytes: int = 55 * MIB,
    tell: Callable[[str], None] = lambda _: None,
) -> Packed:
    """Shrink a table's photographs to the best one quality at which their archive fits.

    Args:
        data: CSV of labels; image paths in its ``file`` column are relative to its folder.
        out: the folder to write; the archive is ``out`` with ``.tar`` behind it. Files of an
            earlier pack are replaced, or stay behind unused.
        longer_side: largest side of a packed picture, pixels; smaller pictures keep their size.
        limit_bytes: most the archive may take.
        tell: told in a sentence what is being done.

    Returns:
        What was written. The table has the rows, columns and cells of ``data``, ``file`` apart.

    Raises:
        LabelTableError: the table cannot be read, or has no ``file`` column.
        UndecodableImage: naming the first file that cannot be read.
        PackError: the pictures do not fit, even at the lowest quality.
    """
    columns, rows = _read(data)
    sources = {row["file"]: data.parent / row["file"] for row in rows}
    names = {
        file: f"images/{number:05d}-{PurePosixPath(file).stem}.webp"
        for number, file in enumerate(sources)
    }
    table = _table(columns, rows, names)
    pictures = _Pictures(list(sources.values()), longer_side)
    quality = _guess(pictures, limit_bytes)
    while True:
        tell(f"packing {len(sources)} pictures at quality {quality}")
        encoded = pictures.encoded(quality)
        # The table goes last: where it has been unpacked, so have the pictures.
        content = {**dict(zip(names.values(), encoded, strict=True)), "labels.csv": table}
        archive = _archive(out.name, content)
        if len(archive) <= limit_bytes:
            break
        if quality == QUALITIES[0]:
            raise PackError(
                f"{len(sources)} pictures of {longer_side} px take {len(archive) / MIB:.1f} MiB "
                f"at quality {quality}; at most {limit_bytes / MIB:.1f} MiB are allowed"
            )
        quality -= 1
    return Packed(out, _write(out, content, archive), len(sources), quality, len(archive))


@dataclass(frozen=True)
class _Pictures:
    """The photographs, shrunk and encoded as often as is asked."""

    files: Sequence[Path]
    longer_side: int

    def encoded(self, quality: int, *, every: int = 1) -> list[bytes]:
        """The bytes of every ``every``-th picture."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda file: self._encode(file, quality), self.files[::every]))

    def _encode(self, file: Path, quality: int) -> bytes:
        stream = io.BytesIO()
        _shrunk(file, self.longer_side).save(stream, _FORMAT, quality=quality)
        return stream.getvalue()


def _guess(pictures: _Pictures, limit_bytes: int) -> int:
    """The highest quality at which a sample's share of the limit is kept, by bisection."""
    every = max(1, len(pictures.files) // _SAMPLE)
    low, high = 0, len(QUALITIES)
    while high - low > 1:
        middle = (low + high) // 2
        size = every * sum(map(len, pictures.encoded(QUALITIES[middle], every=every)))
        low, high = (middle, high) if size <= limit_bytes else (low, middle)
    return QUALITIES[low]


def _shrunk(file: Path, longer_side: int) -> Image.Image:
    """The picture as serving decodes it, less the white that makes it square."""
    square = pixels.decode_file(file, _fit(longer_side))
    width, height = pixels.upright_size(file.read_bytes())
    longest = max(width, height)
    if longest < longer_side:
        square = pixels.decode_file(file, _fit(longest))
    side = len(square)
    # A long strip keeps some white: decoding refuses pictures that are only a few pixels wide.
    shape = (max(MIN_SIDE_PIXELS, round(n * side / longest)) for n in (height, width))
    down, across = (slice((side - n) // 2, (side - n) // 2 + n) for n in shape)
    return Image.fromarray(square[down, across])


def _fit(side: int) -> Preprocessing:
    return Preprocessing(input_size=side, fit="pad", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _read(data: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with data.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise LabelTableError(f"cannot read {data}: {exc}") from exc
    if "file" not in columns or not rows:
        raise LabelTableError(
            f"{data} has {len(rows)} rows and the columns {', '.join(columns)}; "
            "rows and a column 'file' are needed"
        )
    return columns, rows


def _table(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], names: Mapping[str, str]
) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "file": names[row["file"]]} for row in rows)
    return stream.getvalue().encode()


def _archive(folder: str, content: Mapping[str, bytes]) -> bytes:
    """A tar of the folder; equal content gives equal bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def _write(out: Path, content: Mapping[str, bytes], archive: bytes) -> Path:
    """The archive, then the folder: make unpacks an archive newer than its folder's table."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "labels.csv").unlink(missing_ok=True)
    path = out.with_name(f"{out.name}.tar")
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(archive)
    partial.replace(path)
    for name, data in content.items():
        (out / name).write_bytes(data)
    return path


def run_pack(
    data: Annotated[Path, typer.Option(help="CSV of labels, as for `lapel train`.")],
    out: Annotated[Path, typer.Option(help="The folder to write; OUT.tar holds the same.")],
    pixels: Annotated[int, typer.Option(min=32, help="Longer side of a packed picture.")] = 256,
    limit_mib: Annotated[float, typer.Option(min=0.0, help="Most that OUT.tar may take.")] = 55,
) -> None:
    """Pack labelled photographs for training on another machine.

    Example: python -m model.training.pack --data labels.csv --out packed/mine
    """
    console = Console(stderr=True)
    try:
        packed = pack(
            data, out, longer_side=pixels, limit_bytes=int(limit_mib * MIB), tell=console.print
        )
    except (LabelTableError, UndecodableImage, PackError, OSError) as exc:
        typer.secho(f"pack: {exc}", fg="red", err=True)
        raise typer.Exit(1) from exc
    console.print(
        f"{packed.pictures} pictures, WebP quality {packed.quality}: {packed.archive}, "
        f"{packed.archive_bytes / MIB:.1f} MiB ({packed.archive_bytes} bytes)"
    )


if __name__ == "__main__":
    typer.run(run_pack)
