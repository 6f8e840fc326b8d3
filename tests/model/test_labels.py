from csv import field_size_limit
from pathlib import Path

import numpy as np
import pytest

from model.labels import LabelTableError, comma_separated, read_labels

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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        (" , ", ()),
        ("collar", ("collar",)),
        ("collar, hem length,", ("collar", "hem length")),
    ],
)
def test_names_are_read_as_people_list_them(text: str, names: tuple[str, ...]) -> None:
    assert comma_separated(text) == names


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    plain = [["file", "Ärmel", "price"], ["ä.jpg", "lang", "19.90"], ["b.jpg", "kurz", "5.00"]]
    path = tmp_path / "labels.csv"
    path.write_bytes("\r\n".join(map(delimiter.join, plain)).encode(encoding))
    table = read_labels(path)
    assert [file.name for file in table.files] == ["ä.jpg", "b.jpg"]
    assert table.cells == {"Ärmel": ("lang", "kurz"), "price": ("19.90", "5.00")}


def test_a_delimiter_inside_quotes_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('file;collar;"a,b,c,d"\na.jpg;"polo; open";1,5\n')
    assert read_labels(path).cells == {"collar": ("polo; open",), "a,b,c,d": ("1,5",)}


def test_spaces_empty_lines_and_columns_without_name_or_cell_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\n file , collar, split,,\n a.jpg , polo, train,,\n,,,,\n\nb.jpg\n")
    table = read_labels(path)
    assert [file.name for file in table.files] == ["a.jpg", "b.jpg"]
    assert (table.splits, table.cells) == (("train", ""), {"collar": ("polo", "")})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,collar\na.jpg,polo\n", "no column 'file'; it has: image, collar"),
        ("image;collar\na.jpg;polo\n", "no column 'file'; it has: image, collar"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("file,collar\n", "no rows"),
        ("file,collar\na.jpg,polo,long\n", "line 2 has 3 cells, the header 2"),
        ("file,collar\na.jpg,polo\n,polo\n", "'file' is empty in line 3"),
        ("file,collar,collar\na.jpg,polo,polo\n", "more than one column 'collar'"),
        ("file,collar,quality\na.jpg,polo,bad\n", "no rows are left of 1 .* quality bad"),
        ("file,quality\na.jpg,bad\n", "no column of an attribute"),
        ("file\0,collar\n", "zero bytes in it; save it as a CSV in UTF-8"),
    ],
)
def test_an_unusable_table_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(LabelTableError, match=message):
        read_labels(path)


def test_a_quote_left_open_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('file,collar\n"' + "a.jpg,polo\n" * 20_000)
    before = field_size_limit(131_072)  # the whole process has one, and feeds raise it
    try:
        with pytest.raises(LabelTableError, match=r"cannot read .*field limit"):
            read_labels(path)
    finally:
        field_size_limit(before)


def test_letters_of_an_old_code_page_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("file,Ärmel\na.jpg,lang\n".encode("cp1252"))
    with pytest.raises(LabelTableError, match=r"0xc4 in position 5.*save it as a CSV in UTF-8"):
        read_labels(path)


def test_a_group_column_can_be_required(csv: Path) -> None:
    assert len(read_labels(csv, group_column="photographer", group_required=True)) == 4
    with pytest.raises(LabelTableError, match=r"no column \['nobody'\]; it has: file, collar"):
        read_labels(csv, group_column="nobody", group_required=True)


def test_missing_images_are_counted_and_the_first_is_named(csv: Path) -> None:
    table = read_labels(csv)
    (csv.parent / "a.jpg").touch()
    with pytest.raises(LabelTableError, match=r"3 of 4 .* first is .*b\.jpg"):
        table.require_files()
    for name in "bce":
        (csv.parent / f"{name}.jpg").touch()
    table.require_files()


def test_a_table_without_splits_says_so(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,collar\na.jpg,polo\n")
    with pytest.raises(LabelTableError, match="no column 'split'"):
        read_labels(path).split("test")


def test_an_unknown_attribute_names_the_columns_there_are(csv: Path) -> None:
    with pytest.raises(LabelTableError, match=r"sleeve.*collar, color"):
        read_labels(csv, attributes=["sleeve"])


def test_an_unknown_split_names_those_there_are(csv: Path) -> None:
    with pytest.raises(LabelTableError, match="train, valid"):
        read_labels(csv).split("test")


def test_a_missing_table_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LabelTableError, match="cannot read"):
        read_labels(tmp_path / "none.csv")
