import doctest
from pathlib import Path

import pytest

from service.cli import sources
from service.cli.failures import CommandError
from service.cli.sources import find_sources


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_gives_its_pictures_at_any_depth_named_by_their_path(tmp_path):
    touch(tmp_path, "b.PNG", "coats/red/1.jpg", "notes.txt", ".hidden/x.jpg", "coats/.y.jpg")
    found, unusable = find_sources(tmp_path)
    assert [(s.id, s.file, s.metadata) for s in found] == [
        ("b", tmp_path / "b.PNG", None),
        ("coats-red-1", tmp_path / "coats/red/1.jpg", None),
    ]
    assert unusable == []


def test_two_files_of_one_id_are_told_apart(tmp_path):
    touch(tmp_path, "a-b.jpg", "a/b.jpg")
    found, (fault,) = find_sources(tmp_path)
    (kept,) = found
    assert {kept.file, tmp_path / fault.place} == {tmp_path / "a-b.jpg", tmp_path / "a/b.jpg"}
    assert fault.reason == f"its id 'a-b' is already that of {kept.file}"


def test_a_table_gives_ids_files_beside_it_and_typed_metadata(tmp_path):
    table = write(
        tmp_path / "shop.csv",
        "\ufeffimage,id,price,stock,sku,new,note\n"
        "p/one.jpg,first,19.5,3,007,true,\n"
        "p/two.jpg,,20,4,12,False,a b\n",
    )
    found, unusable = find_sources(table)
    assert unusable == []
    assert [(s.id, s.file) for s in found] == [
        ("first", tmp_path / "p/one.jpg"),
        ("p-two", tmp_path / "p/two.jpg"),
    ]
    assert [s.metadata for s in found] == [
        {"price": 19.5, "stock": 3, "sku": "007", "new": True},
        {"price": 20.0, "stock": 4, "sku": "12", "new": False, "note": "a b"},
    ]


def test_a_number_that_no_json_reader_could_hold_stays_a_text(tmp_path):
    table = write(tmp_path / "t.csv", f"file,big,huge\na.jpg,{2**70},1e999\n")
    (found,), _ = find_sources(table)
    assert found.metadata == {"big": float(2**70), "huge": "1e999"}


def test_rows_that_cannot_be_used_are_named_and_the_rest_goes_on(tmp_path):
    table = write(tmp_path / "t.csv", "id,file\na,a.jpg\nb,\na,c.jpg\nx/y,d.jpg\ne,e.jpg,extra\n")
    found, unusable = find_sources(table)
    assert [s.id for s in found] == ["a", "e"]
    assert [fault.place for fault in unusable] == [
        f"{table} row 2",
        str(tmp_path / "c.jpg"),
        str(tmp_path / "d.jpg"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"name,price\nx,1\n", "no column file or image; it has: name, price"),
        ("t.csv", b"file\n\xff.jpg\n", "no CSV file in UTF-8"),
        ("t.csv", b"file,price\n", "no images in it"),
        ("t.json", b"{}", "give a folder of images or a .csv file"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CommandError, match=message):
        find_sources(tmp_path / name)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(CommandError, match="no images in it"):
        find_sources(tmp_path)


def test_the_examples_hold():
    assert doctest.testmod(sources).failed == 0
