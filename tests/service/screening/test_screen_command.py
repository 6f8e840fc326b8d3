import json
from pathlib import Path

import pytest
from screening_samples import record
from typer.testing import CliRunner

from api_schemas.screens import ScreenFinding
from service.cli.main import app
from service.cli.opening import open_workplace
from service.settings import Settings

OPTIONS = ["--designs", "ours", "--suspects", "market"]


@pytest.fixture
def store(_evidence: None, tmp_path: Path) -> str:
    with open_workplace(Settings(store=tmp_path / "store")) as workplace:
        catalog = workplace.services.catalog
        workplace.run(catalog.put("ours", [record("ours-0", 0), record("ours-1", 1)]))
        suspects = [record("copy-0", 0, True, price=3), record("same-1", 1, price=9)]
        workplace.run(catalog.put("market", suspects))
    return str(tmp_path / "store")


def test_findings_are_shown_and_written(store: str, tmp_path: Path):
    out = tmp_path / "findings.jsonl"
    options = [*OPTIONS, "--store", store, "--rate", "0.5", "--out", str(out)]
    done = CliRunner().invoke(app, ["screen", *options])
    assert done.exit_code == 0, done.output
    assert "2 designs, 2 suspects, 4 pairs" in done.output
    assert "chance alone explains up to" in done.output
    findings = [json.loads(line) for line in out.read_text().splitlines()]
    pairs = {(f.design.id, f.suspect.id) for f in map(ScreenFinding.model_validate, findings)}
    assert ("ours-1", "same-1") in pairs
    assert len(findings) == len(pairs)


def test_a_condition_leaves_suspects_out(store: str):
    options = [*OPTIONS, "--store", store, "--rate", "0.5", "--where", "price<5"]
    done = CliRunner().invoke(app, ["screen", *options])
    assert done.exit_code == 0, done.output
    assert "2 designs, 1 suspects, 2 pairs" in done.output
    assert "same-1" not in done.output


def test_a_side_without_garments_is_no_screen_without_findings(store: str):
    for options in (["--designs", "oursw"], ["--where", "price<0"]):
        done = CliRunner().invoke(app, ["screen", *OPTIONS, "--store", store, *options])
        assert done.exit_code == 1
        assert "nothing was compared" in done.output
        assert "findings" not in done.output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--rate", "2"], "less than or equal to 1"),
        (["--rate", "0.1", "--false-findings", "3"], "give one of"),
        (["--by", "nose"], "no attribute 'nose'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(store: str, options: list[str], text: str):
    done = CliRunner().invoke(app, ["screen", *OPTIONS, "--store", store, *options])
    assert done.exit_code == 1
    assert text in " ".join(done.output.split())
