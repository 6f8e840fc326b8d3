"""The commands that docs/model.md gives to people with attributes of their own, as they stand.

Only size and length of the training are changed behind them, so that half a minute is enough.
"""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import httpx
import numpy as np
import pytest

from api_schemas.compare import CompareAnswer
from api_schemas.embeddings import MAX_IMAGES, EmbeddingsAnswer
from model.drawings import Design, draw, random_design

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
]

REPOSITORY = Path(__file__).parent.parent
QUICK = "--backbone compact16 --input-size 64 --batch-size 16 --epochs 24"
SPLITS = {"train": 200, "valid": 60, "test": 60}
BASICS = ("undershirt", "t-shirt", "longsleeve", "shirt", "skirt")
SLEEVES = {"sleeveless": "bare", "short": "to the elbow", "half": "", "long": "long", "na": "na"}
DYES = {"red": "madder", "yellow": "weld", "blue": "woad", "black": "iron gall"}
"""A stranger's words for what the drawings call sleeve_length and color."""
UNKNOWN = ("", "na")
PAIRS_EACH = 20
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Shop:
    """A stranger's folder: pictures, a table of labels, and the model trained from them."""

    folder: Path
    names: tuple[str, str]
    """The two attributes, called as in the documentation's command."""
    url: str

    def rows(self, split: str) -> list[dict[str, str]]:
        with (self.folder / "labels.csv").open(newline="") as stream:
            return [row for row in csv.DictReader(stream) if row["split"] == split]


def documented_commands() -> dict[str, list[str]]:
    """Arguments by command: `lapel train ...` and what follows it in the same block."""
    document = (REPOSITORY / "docs" / "model.md").read_text()
    block = document.partition("## Training on your own attributes")[2].split("```")[1]
    lines = (shlex.split(line) for line in re.findall(r"^\$ lapel (.+)$", block, re.MULTILINE))
    return {arguments[0]: arguments[1:] for arguments in lines}


def lapel(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "service.cli.main", *arguments]


def environment() -> dict[str, str]:
    settings = [name for name in os.environ if name.startswith("LAPEL_")]
    kept = {name: value for name, value in os.environ.items() if name not in settings}
    return kept | {"PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    commands = documented_commands()
    first, second = commands["train"][commands["train"].index("--attributes") + 1].split(",")
    write_shop(folder, (first, second))
    (folder / "about.json").write_text(json.dumps({"name": "shop", "licence": "CC0-1.0"}))
    for name in ("train", "evaluate"):
        quick = shlex.split(QUICK) if name == "train" else []
        done = subprocess.run(
            lapel([name, *commands[name], *quick]),
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with serving(folder, commands["serve"]) as url:
        yield Shop(folder, (first, second), url)


def write_shop(folder: Path, names: tuple[str, str]) -> None:
    """Plain basics in four dyes, without a word of who took the pictures."""
    splits = [split for split, count in SPLITS.items() for _ in range(count)]
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sku", "file", *names, "split"])
        for number, split in enumerate(splits):
            rng = np.random.default_rng(number)
            design = plain_design(rng)
            draw(design, size=96, rng=rng).save(folder / f"{number}.png")
            sleeves, dye = SLEEVES[design.sleeve_length], DYES[design.color]
            writer.writerow([f"A-{number}", f"{number}.png", sleeves, dye, split])


def plain_design(rng: np.random.Generator) -> Design:
    while True:
        design = random_design(rng)
        if design.garment_type in BASICS and design.pattern == "solid" and design.color in DYES:
            return design


@contextmanager
def serving(folder: Path, arguments: list[str]) -> Iterator[str]:
    """The address of a service in a process of its own, on a free port."""
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            lapel(["serve", *arguments, "--port", "0", "--store", str(folder / "store")]),
            cwd=folder,
            env=environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield address(process, log)
    finally:
        process.kill()
        process.wait()


def address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    giving_up = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < giving_up:
        if found := re.search(r"answers at (http://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError("the server did not start:\n" + log.read_text())


@pytest.fixture(scope="module")
def answers(shop: Shop) -> EmbeddingsAnswer:
    """What the service says of the garments that training never saw."""
    files = [shop.folder / row["file"] for row in shop.rows("test")]
    results = []
    for start in range(0, len(files), MAX_IMAGES):
        batch = [("image", file.read_bytes()) for file in files[start : start + MAX_IMAGES]]
        response = httpx.post(f"{shop.url}/v1/embeddings", files=batch, timeout=60)
        answer = EmbeddingsAnswer.model_validate_json(response.content)
        results += answer.results
    return answer.model_copy(update={"results": results})


def test_a_strangers_model_speaks_of_the_strangers_attributes_and_values(
    shop: Shop, answers: EmbeddingsAnswer
):
    described = httpx.get(f"{shop.url}/v1/attributes").json()["attributes"]
    values = {a["name"]: {value["name"] for value in a["values"]} for a in described}
    sleeves, dye = shop.names
    assert values == {sleeves: {"bare", "to the elbow", "long"}, dye: {*DYES.values()}}
    assert answers.model.name == "shop"
    assert all(tuple(result.attributes) == shop.names for result in answers.results)


@pytest.mark.parametrize("place", [0, 1], ids=["sleeves", "dye"])
def test_a_strangers_model_names_the_values_of_garments_it_never_saw(
    shop: Shop, answers: EmbeddingsAnswer, place: int
):
    name, rows = shop.names[place], shop.rows("test")
    named = [
        (row[name], result.attributes[name].value)
        for row, result in zip(rows, answers.results, strict=True)
        if row[name] not in UNKNOWN
    ]
    actual = [value for value, _ in named]
    commonest = max(actual.count(value) for value in actual) / len(actual)
    right = sum(value == said for value, said in named) / len(named)
    assert right >= commonest + 0.15


@pytest.mark.parametrize("place", [0, 1], ids=["sleeves", "dye"])
def test_a_strangers_model_tells_equal_garments_from_different_ones(shop: Shop, place: int):
    name = shop.names[place]
    rows = [row for row in shop.rows("test") if row[name] not in UNKNOWN]
    pairs = list(combinations(rows, 2))
    right = []
    for equal in (True, False):
        such = [(a, b) for a, b in pairs if (a[name] == b[name]) == equal]
        for a, b in such[:: len(such) // PAIRS_EACH][:PAIRS_EACH]:  # from all over the split
            right.append((same_value_probability(shop, a, b, name) > 0.5) == equal)
    assert len(right) == 2 * PAIRS_EACH
    assert sum(right) / len(right) >= 0.7  # 0.5 by guessing


def same_value_probability(shop: Shop, a: dict[str, str], b: dict[str, str], name: str) -> float:
    files = {
        f"image_{side}": (shop.folder / row["file"]).read_bytes()
        for side, row in (("a", a), ("b", b))
    }
    response = httpx.post(f"{shop.url}/v1/compare", files=files, data={"attributes": name})
    answer = CompareAnswer.model_validate_json(response.content).attributes
    assert list(answer) == [name]
    probability = answer[name].same_value_probability
    assert probability is not None
    return probability
