import shutil

import pytest

from model.protocols.retrieval_lists import ATTRIBUTES, attribute_names, read_annotated, read_lists
from model.protocols.tasks import Protocol, ProtocolError
from tests.model.protocols.published_copies import SIZES, write_meta

LISTS = tuple(ATTRIBUTES)


@pytest.mark.parametrize("protocol", LISTS)
@pytest.mark.parametrize("split", ["valid", "test"])
def test_every_line_is_read_as_the_picture_attribute_and_value_it_names(published, protocol, split):
    folder = published[protocol]
    names = (folder / f"filenames_{split}.txt").read_text().split("\n")
    task = read_lists(protocol, folder, split)
    assert task.attributes == ATTRIBUTES[protocol]
    for kind, rows in (("query", task.queries), ("candidate", task.candidates)):
        lines = (folder / f"{kind}_{split}.txt").read_text().split("\n")
        expected = [tuple(map(int, line.split())) for line in lines if line]
        found = [(task.files[p], a, v) for p, a, v in rows.tolist()]
        assert found == [(folder / names[p], a, v) for p, a, v in expected]


def test_pictures_that_no_list_mentions_are_not_embedded(published, tmp_path):
    folder = shutil.copytree(published[Protocol.FASHIONAI], tmp_path / "copy")
    (folder / "query_test.txt").write_text("5 0 1\n")
    (folder / "candidate_test.txt").write_text("3 0 1\n9 0 2\n")
    names = (folder / "filenames_test.txt").read_text().split("\n")
    task = read_lists(Protocol.FASHIONAI, folder, "test")
    assert task.files == tuple(folder / names[number] for number in (3, 5, 9))
    assert task.queries.tolist() == [[1, 0, 1]]
    assert task.candidates.tolist() == [[0, 0, 1], [2, 0, 2]]


@pytest.mark.parametrize("protocol", LISTS)
def test_training_and_validation_say_all_that_their_files_say(published, protocol):
    folder = published[protocol]
    files, attributes, rows = read_annotated(protocol, folder, "train")
    assert (len(files), attributes) == (SIZES["train"], ATTRIBUTES[protocol])
    lines = (folder / "label_train.txt").read_text().split("\n")[:-1]
    assert len(rows) == sum(len(line.split()) // 2 for line in lines)
    _, _, rows = read_annotated(protocol, folder, "valid")
    task = read_lists(protocol, folder, "valid")
    assert len(rows) == len(task.queries) + len(task.candidates)


def test_meta_json_beside_the_data_sets_gives_names_and_order(tmp_path):
    folder = tmp_path / "DeepFashion"
    folder.mkdir()
    assert attribute_names(Protocol.DEEPFASHION, folder) == ATTRIBUTES[Protocol.DEEPFASHION]
    write_meta(tmp_path, "DeepFashion", ["style-related", "part-related", "Sleeve length"])
    expected = ("style_related", "part_related", "sleeve_length")
    assert attribute_names(Protocol.DEEPFASHION, folder) == expected


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        '{"DARN": {}}',
        '{"FashionAI": {"ATTRIBUTES": 8}}',
        '{"FashionAI": {"ATTRIBUTES": []}}',
    ],
)
def test_a_meta_json_without_the_data_set_is_named(tmp_path, document):
    (tmp_path / "meta.json").write_text(document)
    with pytest.raises(ProtocolError, match=r"meta\.json.*ATTRIBUTES"):
        attribute_names(Protocol.FASHIONAI, tmp_path)


def test_a_missing_list_is_named(published, tmp_path):
    folder = shutil.copytree(published[Protocol.DARN], tmp_path / "copy")
    (folder / "candidate_test.txt").unlink()
    with pytest.raises(ProtocolError, match=r"cannot read .*candidate_test\.txt"):
        read_lists(Protocol.DARN, folder, "test")
