"""`lapel train` as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from typer import Typer
from typer.testing import CliRunner

from model.encoder import Encoder
from model.training.cli import run_train
from model.training.designs.registry import DESIGNS

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("shallow_trunks")]


def test_the_command_trains_exports_and_says_what_to_do_next(
    first_garments: Callable[[int], Path], tmp_path: Path
) -> None:
    app = Typer()
    app.command()(run_train)
    about = tmp_path / "about.json"
    about.write_text(json.dumps({"name": "mine", "licence": "CC-BY-4.0"}))
    out = tmp_path / "mine.onnx"
    options = (
        f"--data {first_garments(40)} --attributes color --out {out} --work {tmp_path / 'run'} "
        f"--about {about} --backbone compact16 --input-size 48 --epochs 1 --min-value-count 1 "
        "--new-grounds 0.25 --recolour 0.5 --told-by-colour color,hue --stretch 0.2 --mixup 0.3 "
        "--balance 0.4 --tune 1"
    )
    result = CliRunner().invoke(app, options.split())
    assert result.exit_code == 0, result.output
    assert "lapel serve --model" in result.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["new_ground_share"], config["drawn_share"]) == (0.25, 0.0)
    assert config["balance"] == 0.4
    assert config["beyond_labels"] == {
        "recolour": 0.5,
        "stretch": 0.2,
        "mixup": 0.3,
        "told_by_colour": ["color", "hue"],
        "told_by_proportions": ["garment_type", "skirt_length", "pant_length", "coat_length"],
    }
    assert "Told by colour, so not learnt where that is changed: color" in result.output
    assert "No attribute is told by proportions" in result.output
    again = json.loads((tmp_path / "run" / "tuned" / "config.json").read_text())
    assert (again["start_from"], again["seed"]) == (str(tmp_path / "run"), 1)
    assert (tmp_path / "run" / "mean" / "best.pt").exists()
    card = Encoder.load(out).card
    assert (card.name, card.licence, card.attribute_names) == ("mine", "CC-BY-4.0", ("color",))


def test_help_says_what_each_design_is() -> None:
    app = Typer(rich_markup_mode=None)
    app.command()(run_train)
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    said = " ".join(result.output.split())
    for name, design in DESIGNS.items():
        assert f"{name}: {design.summary}." in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--attributes hem", "no column ['hem']"),
        ("--backbone vgg", "unknown backbone"),
        ("--design vae", "unknown design 'vae'; known: lapel, global, csn"),
        ("--design csn --loss prototypes", "'csn' has no value head"),
        ("--about missing.json", "cannot use missing.json"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    first_garments: Callable[[int], Path], tmp_path: Path, options: str, message: str
) -> None:
    app = Typer()
    app.command()(run_train)
    fixed = f"--data {first_garments(40)} --out {tmp_path / 'x.onnx'} --work {tmp_path / 'run'} "
    result = CliRunner().invoke(app, (fixed + options).split())
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
