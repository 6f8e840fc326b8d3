import typer
from typer.testing import CliRunner

from model.labels import read_labels
from model.protocols.tasks import Protocol
from service.cli.protocol_labels import protocol_labels
from tests.model.protocols.published_copies import SIZES, write_lists


def invoke(*arguments: object):
    app = typer.Typer()
    app.command()(protocol_labels)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_table_is_one_that_training_reads(tmp_path):
    folder = write_lists(Protocol.DARN, tmp_path / "DARN")
    out = tmp_path / "darn.csv"
    done = invoke("darn", "--data", folder, "--out", out)
    assert done.exit_code == 0, done.output
    table = read_labels(out)
    assert len(table.split("train")) == SIZES["train"]
    assert len(table.split("valid")) == SIZES["valid"]
    assert set(table.files) == {
        (folder / name).resolve()
        for split in ("train", "valid")
        for name in (folder / f"filenames_{split}.txt").read_text().split()
    }
    labels = [line.split() for line in (folder / "label_train.txt").read_text().splitlines()]
    for row, (_, *pairs) in enumerate(labels):
        given = {table.attributes[int(a)]: v for a, v in zip(pairs[::2], pairs[1::2], strict=True)}
        assert {n: cells[row] for n, cells in table.cells.items() if cells[row]} == given


def test_a_malformed_line_is_told(tmp_path):
    folder = write_lists(Protocol.FASHIONAI, tmp_path / "FashionAI")
    with (folder / "label_train.txt").open("a") as file:
        file.write("3 0\n")
    done = invoke("fashionai", "--data", folder, "--out", tmp_path / "x.csv")
    assert done.exit_code == 1
    assert f"label_train.txt, line {SIZES['train'] + 1}: a picture number and pairs" in str(
        done.exception
    )
    assert not (tmp_path / "x.csv").exists()
