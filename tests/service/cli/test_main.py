import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from service.cli import main

REPOSITORY = Path(__file__).parents[3]
TRAINING = {
    "train": "model.training.cli:run_train",
    "export": "model.training.cli:run_export",
}


def fresh_interpreter(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def installed(monkeypatch):
    """The entry points that an installation has."""

    def points(*, group):
        assert group == "lapel.commands"
        return [EntryPoint(name, place, group) for name, place in TRAINING.items()]

    monkeypatch.setattr(main, "entry_points", points)
    main._places.cache_clear()
    yield
    main._places.cache_clear()


def test_importing_the_command_line_loads_neither_torch_nor_the_service():
    fresh_interpreter(
        "import sys, service.cli.main\n"
        "for name in ('torch', 'numpy', 'fastapi', 'onnxruntime'):\n"
        "    assert name not in sys.modules, name\n"
    )


def test_help_loads_no_command():
    program = """
import sys
from typer.testing import CliRunner
from service.cli.main import app
result = CliRunner().invoke(app, ["--help"])
assert result.exit_code == 0 and "search" in result.output
for name in ("torch", "numpy", "fastapi", "onnxruntime", "service.cli.search"):
    assert name not in sys.modules, name
"""
    fresh_interpreter(program)


def test_a_command_of_ours_leaves_torch_unloaded():
    program = """
import sys
from typer.testing import CliRunner
from service.cli.main import app
for name in ("serve", "search", "demo", "evaluate", "pictures"):
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
assert "torch" not in sys.modules
"""
    fresh_interpreter(program)


def test_help_lists_every_command_with_its_summary(run, installed):
    listed = run("--help").out
    for name, summary in (
        ("search", "Find the stored garments most like a picture"),
        ("model", "Look into a model file"),
        ("train", "Train a model on your own attributes"),
        ("export", "Write the best epoch of a training run"),
    ):
        assert any(f" {name} " in line and summary in line for line in listed.splitlines())


@pytest.mark.parametrize("name", [name for name in main.COMMANDS if name != "model"])
def test_every_command_explains_itself_with_an_example(run, name):
    done = run(name, "--help")
    assert done.code == 0
    assert f"Example: lapel {name} " in done.out


def test_a_command_of_an_absent_room_is_listed_and_says_how_to_install_it():
    # In another interpreter: what an import that fails leaves behind would stay in this one.
    program = f"""
import sys
from importlib.metadata import EntryPoint
sys.modules["torch"] = None  # an import of that name fails, as where it is not installed
from typer.testing import CliRunner
from service.cli import main
main.entry_points = lambda *, group: [EntryPoint("train", {TRAINING["train"]!r}, group)]
assert "train" in CliRunner().invoke(main.app, ["--help"]).output
done = CliRunner().invoke(main.app, ["train", "--help"], env={{"COLUMNS": "200"}})
assert done.exit_code == 1
assert "train needs torch, which is not installed here" in done.stderr, done.stderr
assert 'pip install "lapel[train]"' in done.stderr
"""
    fresh_interpreter(program)


def test_the_training_commands_run_by_their_entry_point(run, installed):
    pytest.importorskip("torch")
    assert "--data" in run("train", "--help").out
    done = run("export", "nowhere", "--data", "none.csv", "--out", "x.onnx")
    assert done.code == 1
    assert "nowhere" in done.err


def test_a_fault_of_ours_is_not_hidden(run, monkeypatch):
    monkeypatch.setattr("service.cli.card.load_encoder", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("model", "show")


def test_an_unknown_command_is_a_usage_error(run):
    done = run("serach")
    assert done.code == 2
    assert "serach" in done.err
