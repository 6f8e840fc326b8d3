"""Drawn garments, a store filled with them once, and a way to run commands."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from model.drawings import write_catalog
from model.encoder import Encoder
from model.similarity import VISIBLE_THRESHOLD
from service.cli.main import app
from service.cli.opening import embed_file

DRAWN = 12


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit status."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `lapel ARGUMENTS`; a fault of ours fails the test instead of becoming a status."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Done:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """labels.csv of a few drawn garments, its pictures beside it."""
    return write_catalog(tmp_path_factory.mktemp("drawn"), DRAWN, 0)


@pytest.fixture(scope="session")
def pictures(table: Path) -> list[Path]:
    with table.open(newline="") as file:
        return [table.parent / row["file"] for row in csv.DictReader(file)]


@pytest.fixture(scope="session")
def filled(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the drawn garments of `table`."""
    store = tmp_path_factory.mktemp("filled") / "store"
    result = CliRunner().invoke(app, ["index", str(table), "--store", str(store)])
    assert result.exit_code == 0, result.stderr
    return store


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A copy of `filled` for this test alone."""
    return Path(shutil.copytree(filled, tmp_path / "filled"))


@dataclass(frozen=True)
class Shown:
    """A drawn garment and the attributes that the model sees in it."""

    file: Path
    attributes: tuple[str, ...]
    id: str


@pytest.fixture(scope="session")
def shown(encoder: Encoder, pictures: list[Path]) -> Shown:
    """The drawing that shows most."""

    def seen(file: Path) -> tuple[str, ...]:
        visible = embed_file(encoder, file).visible >= VISIBLE_THRESHOLD  # the space design last
        return tuple(n for n, v in zip(encoder.card.attribute_names, visible, strict=False) if v)

    attributes, file = max((seen(file), file) for file in pictures)
    return Shown(file, attributes, f"images-{file.stem}")
