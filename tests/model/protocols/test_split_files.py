from pathlib import Path

import pytest

from model.protocols.split_files import (
    read_annotations,
    read_labels_by_picture,
    read_names,
    read_triplets,
)
from model.protocols.tasks import ProtocolError


def written(folder: Path, text: str) -> Path:
    path = folder / "list.txt"
    path.write_bytes(text.encode())
    return path


def test_names_may_have_blanks_inside_and_windows_line_ends(tmp_path):
    path = written(tmp_path, "Shoes/Ankle Boots/1.jpg\r\npic/2.jpg\r\n\r\n")
    assert read_names(path) == ["Shoes/Ankle Boots/1.jpg", "pic/2.jpg"]


def test_a_list_is_three_numbers_a_line(tmp_path):
    path = written(tmp_path, "0 1 4\n2\t0 0\n")
    assert read_annotations(path, pictures=3, attributes=2).tolist() == [[0, 1, 4], [2, 0, 0]]


def test_a_training_line_has_a_pair_for_each_label(tmp_path):
    path = written(tmp_path, "1 0 4 1 2\n0 1 3\n")
    rows = read_labels_by_picture(path, pictures=2, attributes=2)
    assert rows.tolist() == [[1, 0, 4], [1, 1, 2], [0, 1, 3]]


def test_a_triplet_line_is_three_pictures(tmp_path):
    assert read_triplets(written(tmp_path, "0 2017 42\n"), pictures=2018).tolist() == [
        [0, 2017, 42]
    ]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_annotations, "0 1 4\n0 1\n", "line 2: 3 numbers are expected, not 2"),
        (read_annotations, "0 1 4 1 2\n", "line 1: 3 numbers are expected, not 5"),
        (read_annotations, "0 1 4\n0 x 4\n", "line 2: whole numbers are expected, not '0 x 4'"),
        (read_annotations, "0 1 -4\n", "line 1: whole numbers are expected"),
        (read_annotations, f"0 1 {10**30}\n", "line 1: whole numbers are expected"),
        (read_annotations, "0 1 4\n\n0 1 4\n", "line 2: whole numbers are expected, not ''"),
        (read_annotations, "0 1 4\n3 1 4\n", "line 2: picture number 3 is not in 0 to 2"),
        (read_annotations, "0 2 4\n", "line 1: attribute number 2 is not in 0 to 1"),
        (read_annotations, "", "is empty"),
        (read_labels_by_picture, "0 1 4\n1\n", "line 2: a picture number and pairs"),
        (read_labels_by_picture, "0 1 4 1\n", "line 1: a picture number and pairs"),
        (read_labels_by_picture, "9 1 4\n", "line 1: picture number 9"),
        (read_labels_by_picture, "0 0 4 5 4\n", "line 1: attribute number 5"),
    ],
)
def test_a_malformed_line_is_named_with_its_file(tmp_path, read, text, message):
    with pytest.raises(ProtocolError) as caught:
        read(written(tmp_path, text), 3, 2)
    assert f"{tmp_path / 'list.txt'}" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 2\n0 1\n", "line 2: 3 numbers are expected"),
        ("0 1 3\n", "line 1: picture number 3 is not in 0 to 2"),
    ],
)
def test_a_malformed_triplet_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(ProtocolError, match=message):
        read_triplets(written(tmp_path, text), 3)


def test_a_blank_name_is_refused(tmp_path):
    with pytest.raises(ProtocolError, match="line 2: a file name is missing"):
        read_names(written(tmp_path, "a.jpg\n\nb.jpg\n"))


def test_what_is_no_text_or_not_there_is_named(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProtocolError, match=r"list\.txt is no text in UTF-8"):
        read_names(tmp_path / "list.txt")
    with pytest.raises(ProtocolError, match=r"cannot read .*none\.txt: No such file"):
        read_names(tmp_path / "none.txt")
