"""Photographs packed for travel, compared with the photographs."""

import csv
import tarfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from typer import Typer
from typer.testing import CliRunner

from api_schemas.card import Preprocessing
from model.drawings import write_catalog
from model.labels import LabelTableError, read_labels
from model.pixels import UndecodableImage, decode_file
from model.training.pack import PackError, pack, run_pack

PAD = Preprocessing(input_size=64, fit="pad", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
SQUASH = PAD.model_copy(update={"fit": "squash"})


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("garments"), 6, seed=3)


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def table_of(folder: Path, pictures: dict[str, Image.Image]) -> Path:
    """A table of the given pictures, saved beside it."""
    for name, picture in pictures.items():
        exif = picture.getexif()
        picture.save(folder / name, exif=exif)
    table = folder / "labels.csv"
    table.write_text("file,collar\n" + "".join(f"{name},polo\n" for name in pictures))
    return table


def ramp(width: int, height: int) -> Image.Image:
    """Smooth, and different in every corner."""
    down, across = np.mgrid[0:height, 0:width]
    red, green = 255 * across // max(1, width - 1), 255 * down // max(1, height - 1)
    return Image.fromarray(np.stack([red, green, 128 + 0 * red], axis=2).astype(np.uint8))


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean over pixels and channels, grey levels."""
    return float(np.abs(a.astype(int) - b).mean())


def test_a_packed_table_says_what_the_first_one_said(garments: Path, tmp_path: Path):
    pack(garments, tmp_path / "packed")
    before, after = cells(garments), cells(tmp_path / "packed" / "labels.csv")
    assert [{**row, "file": ""} for row in after] == [{**row, "file": ""} for row in before]
    for old, new in zip(before, after, strict=True):
        assert Path(old["file"]).stem in new["file"]
        assert not Path(new["file"]).is_absolute()


def test_packed_pictures_are_small_and_look_like_the_first_ones(garments: Path, tmp_path: Path):
    pack(garments, tmp_path / "packed", longer_side=128)
    before, after = read_labels(garments), read_labels(tmp_path / "packed" / "labels.csv")
    for old, new in zip(before.files, after.files, strict=True):
        with Image.open(new) as picture:
            assert max(picture.size) == 128
        for fit in (PAD, SQUASH):
            assert difference(decode_file(new, fit), decode_file(old, fit)) < 6
    alone = [decode_file(file, PAD) for file in before.files]
    assert min(difference(a, b) for a, b in pairwise(alone)) > 20  # between two garments


def test_the_archive_unpacks_to_the_folder(garments: Path, tmp_path: Path):
    packed = pack(garments, tmp_path / "here" / "packed")
    with tarfile.open(packed.archive) as archive:
        archive.extractall(tmp_path / "there", filter="data")
    here = {p.relative_to(tmp_path / "here"): p for p in packed.folder.rglob("*") if p.is_file()}
    there = [p for p in (tmp_path / "there").rglob("*") if p.is_file()]
    assert len(here) == len(there) == packed.pictures + 1
    for path in there:
        assert path.read_bytes() == here[path.relative_to(tmp_path / "there")].read_bytes()


def test_packing_twice_gives_the_same_archive(garments: Path, tmp_path: Path):
    first, second = (pack(garments, tmp_path / place / "packed") for place in "ab")
    assert first.archive.read_bytes() == second.archive.read_bytes()


def test_the_archive_fits_at_the_best_quality_that_does(garments: Path, tmp_path: Path):
    free = pack(garments, tmp_path / "free")
    limit = free.archive_bytes * 3 // 4
    tight = pack(garments, tmp_path / "tight", limit_bytes=limit)
    assert tight.archive.stat().st_size == tight.archive_bytes <= limit
    assert tight.quality < free.quality
    # What it took is enough for it, and one quality more does not fit.
    again = pack(garments, tmp_path / "again", limit_bytes=tight.archive_bytes)
    assert again.quality == tight.quality
    assert archive_bytes_at(tight.quality + 1, garments, tmp_path) > limit


def archive_bytes_at(quality: int, garments: Path, scratch: Path) -> int:
    """By the slow way: every picture saved at the quality, in a tar made by hand."""
    with tarfile.open(scratch / "slow.tar", "w") as archive:
        packed = scratch / "free" / "labels.csv"
        archive.add(packed, "tight/labels.csv")
        for row, file in zip(cells(packed), read_labels(garments).files, strict=True):
            with Image.open(file) as picture:
                small = picture.convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
            small.save(scratch / "slow.webp", quality=quality)
            archive.add(scratch / "slow.webp", f"tight/{row['file']}")
    return (scratch / "slow.tar").stat().st_size


def test_pictures_that_cannot_fit_are_refused_and_nothing_is_written(
    garments: Path, tmp_path: Path
):
    with pytest.raises(PackError, match=r"6 pictures of 256 px take .* at most 0\.0 MiB"):
        pack(garments, tmp_path / "packed", limit_bytes=10_000)
    assert list(tmp_path.iterdir()) == []


def test_a_photograph_held_sideways_is_packed_upright(tmp_path: Path):
    sideways = ramp(80, 40)
    sideways.getexif()[ExifTags.Base.Orientation] = 6
    table = table_of(tmp_path, {"sideways.png": sideways})
    pack(table, tmp_path / "packed", longer_side=64)
    (packed,) = read_labels(tmp_path / "packed" / "labels.csv").files
    with Image.open(packed) as picture:
        assert picture.size == (32, 64)
    assert difference(decode_file(packed, PAD), decode_file(tmp_path / "sideways.png", PAD)) < 2


def test_a_small_picture_is_not_enlarged_and_a_thin_one_stays_readable(tmp_path: Path):
    table = table_of(tmp_path, {"small.png": ramp(40, 30), "thin.png": ramp(600, 10)})
    pack(table, tmp_path / "packed", longer_side=128)
    small, thin = read_labels(tmp_path / "packed" / "labels.csv").files
    with Image.open(small) as picture:
        assert picture.size == (40, 30)
    assert difference(decode_file(thin, PAD), decode_file(tmp_path / "thin.png", PAD)) < 2


def test_a_photograph_of_two_rows_is_packed_once(tmp_path: Path):
    table = table_of(tmp_path, {"one.png": ramp(40, 30)})
    table.write_text("file,collar\none.png,polo\none.png,\n")
    assert pack(table, tmp_path / "packed").pictures == 1
    after = cells(tmp_path / "packed" / "labels.csv")
    assert after[0]["file"] == after[1]["file"]


def test_an_unreadable_photograph_is_named(tmp_path: Path):
    table = table_of(tmp_path, {"one.png": ramp(40, 30)})
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(UndecodableImage, match=r"one\.png"):
        pack(table, tmp_path / "packed")


@pytest.mark.parametrize("text", ["picture,collar\na.png,polo\n", "file,collar\n", ""])
def test_a_table_without_files_is_refused(tmp_path: Path, text: str):
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(LabelTableError, match="a column 'file'"):
        pack(table, tmp_path / "packed")


def test_the_command_says_what_it_wrote_or_why_not(garments: Path, tmp_path: Path):
    app = Typer()
    app.command()(run_pack)
    options = ["--data", str(garments), "--out", str(tmp_path / "packed"), "--pixels", "64"]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    size = (tmp_path / "packed.tar").stat().st_size
    assert f"({size} bytes)" in " ".join(done.output.split())
    refused = CliRunner().invoke(app, [*options, "--limit-mib", "0.001"])
    assert refused.exit_code == 1
    assert "pack: 6 pictures" in refused.output
    assert "Traceback" not in refused.output
