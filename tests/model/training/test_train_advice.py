"""What `lapel train` makes of tables that strangers bring, and what it tells them."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click.testing import Result  # noqa: E402
from typer import Typer  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from model.drawings import draw, random_design  # noqa: E402
from model.encoder import Encoder  # noqa: E402
from model.labels import LabelTable, LabelTableError, read_labels  # noqa: E402
from model.training.advice import SMALL_TABLE, divided, foretold, training_table  # noqa: E402
from model.training.cli import run_train  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402

pytestmark = pytest.mark.torch
USUAL = "photographer"


def write(path: Path, columns: Mapping[str, Sequence[object]], delimiter: str = ",") -> Path:
    """A table, and an empty file for every picture in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    for file in columns["file"]:
        (path.parent / str(file)).touch()
    return path


def in_memory(count: int, groups: Sequence[int] | None = None) -> LabelTable:
    return LabelTable(
        files=tuple(Path(f"/shop/img/{row}.jpg") for row in range(count)),
        splits=("",) * count,
        groups=np.array(range(count) if groups is None else groups, dtype=np.int64),
        cells={"collar": tuple("polo" if row % 2 else "shirt" for row in range(count))},
    )


def split_table(collars: Mapping[str, Sequence[str]]) -> LabelTable:
    """One attribute, its cells by split."""
    splits = tuple(split for split, cells in collars.items() for _ in cells)
    table = in_memory(len(splits))
    cells = {"collar": tuple(cell for cells in collars.values() for cell in cells)}
    return LabelTable(table.files, splits, table.groups, cells)


def said(table: LabelTable, **options: object) -> list[str]:
    return list(foretold(table, TrainConfig(**options)))  # type: ignore[arg-type]


# Which columns are learnt.


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([f"A-{row}" for row in range(600)], "nearly all different"),
        ([f"Brand {row % 150}" for row in range(600)], "nearly all different"),
        ([f"{row % 12 + 9},90" for row in range(600)], "numbers"),
        ([f"€ {row % 12 + 9}.90" for row in range(600)], "numbers"),
        ([f"{row % 60}" for row in range(600)], "numbers"),
        (["summer", "summer", "na"] * 200, "one value only"),
        (["", "", "na"] * 200, "empty"),
    ],
)
def test_a_column_that_is_no_attribute_is_left_out_and_named(
    tmp_path: Path, column: list[str], reason: str
) -> None:
    collar = [("polo", "shirt", "na")[row % 3] for row in range(600)]
    files = [f"{row}.jpg" for row in range(600)]
    path = write(tmp_path / "labels.csv", {"file": files, "collar": collar, "other": column})
    prepared = training_table(path, [], USUAL)
    assert prepared.table.attributes == ("collar",)
    assert f"but other ({reason}); to choose: --attributes collar" in prepared.remarks[0]


@pytest.mark.parametrize(
    "column",
    [
        [f"{row % 9}" for row in range(600)],  # published values are numbers
        [f"{row % 25}" for row in range(600)],
        [f"{36 + row % 7}" for row in range(600)],
        [f"weave {row % 60}" for row in range(600)],
        [("2.5", "5", "7.5")[row % 3] for row in range(600)],
    ],
)
def test_a_column_of_repeated_values_is_learnt(tmp_path: Path, column: list[str]) -> None:
    files = [f"{row}.jpg" for row in range(600)]
    path = write(tmp_path / "labels.csv", {"file": files, "other": column})
    assert training_table(path, [], USUAL).table.attributes == ("other",)


def test_a_column_that_is_named_is_learnt_whatever_it_holds(tmp_path: Path) -> None:
    columns = {
        "file": [f"{row}.jpg" for row in range(40)],
        "price": [f"{row // 2}.99" for row in range(40)],
        "split": ["train", "train", "valid", "valid"] * 10,
    }
    prepared = training_table(write(tmp_path / "labels.csv", columns), ["price"], USUAL)
    assert (prepared.table.attributes, prepared.remarks) == (("price",), ())


def test_a_table_of_nothing_but_ids_asks_for_attributes(tmp_path: Path) -> None:
    names = [f"{row}.jpg" for row in range(40)]
    path = write(tmp_path / "labels.csv", {"file": names, "sku": names})
    with pytest.raises(LabelTableError, match=r"sku \(nearly all different\); name some with --at"):
        training_table(path, [], USUAL)


# How a table without splits is divided.


def test_one_photographer_stands_in_one_split_only() -> None:
    rng = np.random.default_rng(0)
    table = in_memory(600, rng.integers(0, 40, 600).tolist())
    splits, said = divided(table, Path("/shop"), "studio")
    of_group = {(group, split) for group, split in zip(table.groups, splits.splits, strict=True)}
    assert len(of_group) == 40
    counts = Counter(splits.splits)
    assert 60 <= counts["valid"] < 90
    assert 60 <= counts["test"] < 90
    assert counts.total() == 600
    assert f"{counts['train']} train" in said
    assert "photographs of one studio together" in said


def test_without_photographers_files_are_divided_one_by_one() -> None:
    table, said = divided(in_memory(600), Path("/shop"), USUAL)
    assert Counter(table.splits) == {"train": 480, "valid": 60, "test": 60}
    assert "one by one; --group-column" in said


def test_rows_of_one_file_stay_together() -> None:
    once = in_memory(100)
    table, _ = divided(once.take([*range(100), *range(100)]), Path("/shop"), USUAL)
    assert table.splits[:100] == table.splits[100:]
    assert len(set(table.splits)) == 3


@pytest.mark.parametrize("groups", [[row % 3 for row in range(90)], [0] * 80 + [*range(1, 11)]])
def test_too_few_or_too_unequal_photographers_are_divided_and_said(groups: list[int]) -> None:
    table, said = divided(in_memory(90, groups), Path("/shop"), USUAL)
    counts = Counter(table.splits)
    assert counts["train"] >= 54
    for split in ("valid", "test"):
        assert counts[split] >= 9
        assert len(set(table.split(split).groups.tolist())) >= 2  # others' photographs to find
    together = len({*zip(table.groups.tolist(), table.splits, strict=True)}) == len(set(groups))
    assert together == ("one by one" not in said)


def test_a_division_depends_on_neither_order_nor_place_of_the_rows() -> None:
    table, _ = divided(in_memory(200), Path("/shop"), USUAL)
    rows = np.random.default_rng(1).permutation(200).tolist()
    moved = in_memory(200).take(rows)
    moved = LabelTable(
        files=tuple(Path("/elsewhere") / file.relative_to("/shop") for file in moved.files),
        splits=moved.splits,
        groups=moved.groups,
        cells=moved.cells,
    )
    again, _ = divided(moved, Path("/elsewhere"), USUAL)
    assert again.splits == tuple(table.splits[row] for row in rows)


def test_a_handful_of_photographs_is_not_divided() -> None:
    with pytest.raises(LabelTableError, match="9 photographs are too few"):
        divided(in_memory(9), Path("/shop"), USUAL)


def test_a_division_is_written_down_as_a_table_that_reads_the_same(tmp_path: Path) -> None:
    columns = {
        "file": [f"{row}.jpg" for row in range(100)],
        "collar": ["polo", "shirt"] * 50,
        "studio": [row % 30 for row in range(100)],
    }
    path, record = write(tmp_path / "labels.csv", columns), tmp_path / "runs" / "my" / "labels.csv"
    prepared = training_table(path, [], "studio", record=record)
    assert f"which is where: {record}" in prepared.remarks[1]
    again = read_labels(record)
    assert (again.files, again.splits) == (prepared.table.files, prepared.table.splits)
    assert again.cells == prepared.table.cells
    first = {group: name for name, group in zip(again.groups, prepared.table.groups, strict=True)}
    assert [first[group] for group in prepared.table.groups] == again.groups.tolist()


def test_a_table_with_splits_is_left_as_it_is(tmp_path: Path) -> None:
    splits = ["train", "valid", "train", "", "valid", "train"]
    files, collar = [f"{row}.jpg" for row in range(6)], ["polo", "shirt"] * 3
    collar[4] = "shirt"  # as the other one of valid
    columns = {"file": files, "collar": collar, "split": splits}
    path, record = write(tmp_path / "labels.csv", columns), tmp_path / "record.csv"
    prepared = training_table(path, ["collar"], USUAL, record=record)
    assert prepared.table.splits == tuple(splits)
    assert not record.exists()


# What is refused.


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": ["train"] * 6}, r"no row has split 'valid'; there are: train \(6\)\. Write tr"),
        ({"split": ["Train"] * 3 + ["val"] * 3}, r"'train' or 'valid'.*Train \(3\), val \(3\)"),
        ({"split": ["train"] * 5 + ["valid"]}, "'valid' has 1 photographs, and no two"),
        (
            {"split": ["train"] * 3 + ["valid"] * 3, "photographer": [1, 2, 3, 4, 4, 4]},
            "differ in column 'photographer'",
        ),
        (
            {"split": ["train"] * 3 + ["valid"] * 3, "collar": ["", "na", "", *["polo"] * 3]},
            "'collar' has no value in split 'train'",
        ),
    ],
)
def test_what_cannot_be_learnt_or_validated_is_said(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    plain = {"file": [f"{row}.jpg" for row in range(6)], "collar": ["polo"] * 6}
    path = write(tmp_path / "labels.csv", {**plain, **columns})
    with pytest.raises(LabelTableError, match=message):
        training_table(path, ["collar"], USUAL)


def test_a_group_column_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    columns = {"file": [f"{row}.jpg" for row in range(60)], "collar": ["polo", "shirt"] * 30}
    path = write(tmp_path / "labels.csv", columns)
    training_table(path, [], USUAL)
    with pytest.raises(LabelTableError, match=r"no column \['studio'\]"):
        training_table(path, [], "studio")


def test_missing_images_are_told_before_training(tmp_path: Path) -> None:
    columns = {"file": [f"{row}.jpg" for row in range(20)], "collar": ["polo", "shirt"] * 10}
    path = write(tmp_path / "labels.csv", columns)
    for row in (3, 7):
        (tmp_path / f"{row}.jpg").unlink()
    with pytest.raises(LabelTableError, match=r"2 of 20 image files .* first is .*3\.jpg"):
        training_table(path, [], USUAL)


# What is foretold.


def test_photographs_steps_and_values_are_counted() -> None:
    collars = ["polo"] * 30 + ["shirt"] * 20 + ["cape"] * 3 + ["na"] * 4 + [""] * 5
    table = split_table({"train": collars, "valid": ["polo"] * 7, "spare": ["polo"]})
    first, values, remedy, steps, *_ = said(table, epochs=10, batch_size=16)
    assert first == "Photographs: 62 train, 7 valid; not used: spare (1)"
    assert values == (
        "collar: 2 values: polo (30), shirt (20); "
        "left out, in fewer than 20 photographs of train: cape (3)"
    )
    assert remedy == "To learn what is left out: --min-value-count 3"
    # 62 = 3 * 16 + 14: the loop keeps a last batch of at least half the size
    assert steps == "10 epochs of 4 steps (16 photographs each) are 40 steps"


def test_the_remedy_brings_every_value_back() -> None:
    collars = ["polo"] * 30 + ["shirt"] * 9 + ["cape"] * 2
    table = split_table({"train": collars, "valid": ["polo"] * 2})
    (remedy,) = [line for line in said(table) if "--min-value-count" in line]
    count = int(remedy.rpartition(" ")[2])
    assert "collar: 3 values: polo (30), shirt (9), cape (2)" in said(table, min_value_count=count)


def test_where_all_values_are_rare_all_are_learnt_and_said() -> None:
    table = split_table({"train": ["polo", "shirt"] * 6, "valid": ["polo"] * 2})
    assert said(table)[1] == (
        "collar: 2 values: polo (6), shirt (6); all kept, though none is in 20 photographs of train"
    )


def test_long_lists_are_cut_with_the_number_of_the_rest() -> None:
    collars = [f"value {number:02d}" for number in range(30) for _ in range(2)]
    line = said(split_table({"train": collars, "valid": ["value 01"] * 2}))[1]
    assert "30 values: value 00 (2)" in line
    assert "value 07 (2), and 22 more" in line


def test_a_single_value_is_told_from_nothing() -> None:
    table = split_table({"train": ["polo"] * 30, "valid": ["polo"] * 2})
    assert said(table)[1] == "collar: a single value, told from nothing: polo (30)"


def test_spellings_that_look_like_mistakes_are_named() -> None:
    collars = ["Polo"] * 5 + ["polo"] * 5 + ["shirt"] * 5 + ["N/A"] * 5
    text = "\n".join(said(split_table({"train": collars, "valid": ["polo"] * 2})))
    assert "Polo, polo are different values here" in text
    assert "'N/A' is a value here; 'na' says not visible" in text
    assert "shirt'" not in text


def test_a_photographer_in_train_and_valid_is_pointed_out() -> None:
    table = split_table({"train": ["polo"] * 30, "valid": ["polo"] * 3})
    assert not any("flatters" in line for line in said(table))
    mixed = LabelTable(table.files, table.splits, table.groups % 31, table.cells)
    assert any(line.endswith("flatters validation: 2") for line in said(mixed))


def small_hint(photographs: int, **options: object) -> str:
    collars = ["polo", "shirt"] * (photographs // 2)
    lines = said(split_table({"train": collars, "valid": ["polo"] * 2}), **options)
    return next((line for line in lines if line.startswith("What learnt")), "")


def test_a_small_table_gets_the_options_that_learnt_one() -> None:
    assert small_hint(480).endswith(
        ": --backbone compact16 --input-size 96 --batch-size 16 --epochs 80"
    )


@pytest.mark.parametrize(
    ("photographs", "options"),
    [(3000, {}), (480, {"epochs": 200}), (480, SMALL_TABLE), (480, {"start_from": "runs/my"})],
)
def test_who_needs_no_such_hint_gets_none(photographs: int, options: dict[str, object]) -> None:
    assert small_hint(photographs, **options) == ""


def test_what_the_user_has_chosen_is_left_alone() -> None:
    hint = small_hint(480, backbone="resnet18", input_size=128)
    assert hint.endswith("well: --batch-size 16 --epochs 80")


# The command.


def lapel_train(options: str) -> Result:
    app = Typer(rich_markup_mode=None)
    app.command()(run_train)
    return CliRunner().invoke(app, options.split(), env={"COLUMNS": "200"})


@pytest.mark.usefixtures("shallow_trunks")
def test_a_strangers_table_trains_as_it_was_foretold(tmp_path: Path) -> None:
    designs = [random_design(np.random.default_rng(row)) for row in range(60)]
    columns = {
        "sku": [f"A{row}" for row in range(60)],
        "file": [f"{row}.png" for row in range(60)],
        "Ärmel": [design.sleeve_length for design in designs],
        "Preis": [f"{row % 17 + 20},90" for row in range(60)],
    }
    path = write(tmp_path / "labels.csv", columns, delimiter=";")
    for row, design in enumerate(designs):
        draw(design, size=64, rng=np.random.default_rng(row)).save(tmp_path / f"{row}.png")
    out, work = tmp_path / "my.onnx", tmp_path / "work"
    result = lapel_train(
        f"--data {path} --out {out} --work {work} --backbone compact16 --input-size 32 "
        "--epochs 1 --batch-size 16 --min-value-count 5 --embedding-dimension 8 --device cpu"
    )
    assert result.exit_code == 0, result.output
    assert "but sku (nearly all different), Preis (numbers)" in result.output
    assert "divided into 48 train, 6 valid, 6 test" in result.output
    assert result.output.index("1 epochs of 3 steps") < result.output.index("validation MAP")
    card = Encoder.load(out).card
    learnt = re.search(r"Ärmel: (\d) values: (.*?)(;|\n)", result.output)
    assert learnt
    assert [v.split(" (")[0] for v in learnt[2].split(", ")] == [*card.attributes[0].values]
    assert int(learnt[1]) == len(card.attributes[0].values)
    assert card.provenance.training_images == 48
    for value in card.provenance.left_out_values.get("Ärmel", ()):
        assert f"{value} (" in result.output.partition("left out, in fewer")[2]
    assert len(read_labels(work / "labels.csv").split("valid")) == card.quality[0].images == 6


def test_help_teaches_the_table_and_the_small_tables_options() -> None:
    text = "".join(lapel_train("--help").output.split())  # lines are broken within options
    assert "file,collar,sleeve_length,photographer,split" in text
    options = "".join(f"--{name.replace('_', '-')}{value}" for name, value in SMALL_TABLE.items())
    assert options in text
