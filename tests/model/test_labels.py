from pathlib import Path

import numpy as np
import pytest

from model.labels import LabelTableError, read_labels

TABLE = """file,collar,color,quality,photographer,split
a.jpg,polo,red,ok,7,train
b.jpg,na,red,ok,9,train
c.jpg,,blue,ok,7,valid
d.jpg,shirt,blue,bad,9,valid
e.jpg,polo,blue,ok,8,valid
"""


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(TABLE)
    return path


def test_rows_of_bad_quality_are_left_out(csv: Path) -> None:
    assert [file.name for file in read_labels(csv).files] == ["a.jpg", "b.jpg", "c.jpg", "e.jpg"]


def test_reserved_columns_are_no_attributes(csv: Path) -> None:
    assert read_labels(csv).attributes == ("collar", "color")


def test_value_na_and_empty_are_three_different_things(csv: Path) -> None:
    table = read_labels(csv)
    assert table.value_indices("collar", ("polo",)).tolist() == [0, -1, -1, 0]
    np.testing.assert_array_equal(table.visible("collar"), [1, 0, np.nan, 1])


def test_rare_values_can_be_left_out(csv: Path) -> None:
    table = read_labels(csv)
    assert table.values("color") == ("blue", "red")
    assert table.values("collar", at_least=2) == ("polo",)


def test_a_split_keeps_files_groups_and_cells_together(csv: Path) -> None:
    valid = read_labels(csv).split("valid")
    assert [file.name for file in valid.files] == ["c.jpg", "e.jpg"]
    assert valid.groups[0] != valid.groups[1]
    assert valid.cells["collar"] == ("", "polo")


def test_without_a_group_column_each_image_is_its_own_group(csv: Path) -> None:
    assert len(set(read_labels(csv, group_column="nobody").groups.tolist())) == 4


def test_files_are_found_beside_the_table(csv: Path) -> None:
    assert read_labels(csv).files[0] == csv.parent / "a.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,collar\na.jpg,polo\n", "no column 'file'"),
        ("file,collar\n", "no rows"),
        ("file,quality\na.jpg,bad\n", "no column"),
    ],
)
def test_an_unusable_table_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(LabelTableError, match=message):
        read_labels(path)


def test_an_unknown_attribute_names_the_columns_there_are(csv: Path) -> None:
    with pytest.raises(LabelTableError, match=r"sleeve.*collar, color"):
        read_labels(csv, attributes=["sleeve"])


def test_an_unknown_split_names_those_there_are(csv: Path) -> None:
    with pytest.raises(LabelTableError, match="train, valid"):
        read_labels(csv).split("test")


def test_a_missing_table_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LabelTableError, match="cannot read"):
        read_labels(tmp_path / "none.csv")
