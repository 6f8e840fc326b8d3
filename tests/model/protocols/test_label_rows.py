from pathlib import Path

import numpy as np

from model.labels import read_labels
from model.protocols.label_rows import joined, label_rows, write_labels

FILES = [Path("/pictures/a.jpg"), Path("/pictures/b.jpg"), Path("/pictures/c.jpg")]


def table(annotations, split="train"):
    return label_rows(FILES, ("texture", "shape"), np.array(annotations), split=split)


def test_a_cell_is_empty_where_nothing_was_annotated():
    made = table([[0, 0, 4], [2, 1, 7], [2, 0, 0]])
    assert [file.name for file in made.files] == ["a.jpg", "c.jpg"]
    assert made.cells == {"texture": ("4", "0"), "shape": ("", "7")}
    assert np.isnan(made.visible("shape")[0])


def test_a_picture_with_several_values_gets_several_rows_of_one_group():
    made = table([[1, 0, 4], [1, 0, 9], [1, 1, 2], [0, 1, 2]])
    assert [file.name for file in made.files] == ["a.jpg", "b.jpg", "b.jpg"]
    assert made.cells == {"texture": ("", "4", "9"), "shape": ("2", "2", "")}
    assert made.groups[0] != made.groups[1] == made.groups[2]


def test_a_label_that_is_listed_twice_is_one_label():
    assert len(table([[1, 0, 4], [1, 0, 4]])) == 1


def test_the_same_picture_number_of_two_splits_is_two_pictures():
    both = joined([table([[0, 0, 1], [2, 0, 1]]), table([[0, 0, 1]], "valid")])
    assert both.splits == ("train", "train", "valid")
    assert len(set(both.groups.tolist())) == 3


def test_what_is_written_is_read_again_by_the_reader_of_labels(tmp_path):
    files = [tmp_path / "data" / f"{name}, 1.jpg" for name in "abc"]
    made = label_rows(
        files, ("texture", "shape"), np.array([[0, 0, 4], [2, 1, 7], [2, 1, 8]]), split="valid"
    )
    (tmp_path / "out").mkdir()
    write_labels(made, tmp_path / "out" / "labels.csv")
    again = read_labels(tmp_path / "out" / "labels.csv")
    assert again.files == made.files
    assert again.cells == made.cells
    assert again.splits == made.splits
    assert again.groups[0] != again.groups[1] == again.groups[2]
    assert str(tmp_path) not in (tmp_path / "out" / "labels.csv").read_text()
