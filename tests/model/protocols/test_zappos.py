import shutil

import pytest

from model.protocols.tasks import Protocol, ProtocolError
from model.protocols.zappos import CONDITIONS, read_triplet_lists


@pytest.mark.parametrize(
    ("split", "ending"), [("train", "train"), ("valid", "val"), ("test", "test")]
)
def test_triplets_are_those_of_the_files_condition_by_condition(published, split, ending):
    folder = published[Protocol.ZAPPOS]
    names = (folder / "filenames.json").read_text().split("\n")
    task = read_triplet_lists(folder, split)
    found = [
        (CONDITIONS[condition], *(task.files[row] for row in rows))
        for condition, *rows in task.triplets.tolist()
    ]
    expected = [
        (condition, *(folder / "ut-zap50k-images" / names[int(n)] for n in line.split()))
        for condition in CONDITIONS
        for line in (folder / "tripletlists" / f"{condition}_tripletlist_{ending}.txt")
        .read_text()
        .splitlines()
    ]
    assert found == expected


def test_a_triplet_of_an_unknown_picture_is_named_with_its_line(published, tmp_path):
    folder = shutil.copytree(published[Protocol.ZAPPOS], tmp_path / "copy")
    with (folder / "tripletlists" / "heel_tripletlist_test.txt").open("a") as file:
        file.write("0 1 50025\n")
    with pytest.raises(ProtocolError, match=r"heel_tripletlist_test\.txt, line 8: picture number"):
        read_triplet_lists(folder, "test")
