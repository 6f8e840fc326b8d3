import shutil

import pytest

from model.protocols.reading import SPLITS_OF, read_task, read_training_labels
from model.protocols.tasks import Protocol, ProtocolError
from tests.model.protocols.published_copies import SIZES


@pytest.mark.parametrize("protocol", Protocol)
def test_every_split_of_every_protocol_is_read_and_its_pictures_are_there(published, protocol):
    for split in SPLITS_OF[protocol]:
        task = read_task(protocol, published[protocol], split)
        assert (task.protocol, task.split) == (protocol, split)
        assert task.files
        assert all(file.is_file() for file in task.files)


@pytest.mark.parametrize("protocol", [Protocol.FASHIONAI, Protocol.DARN])
def test_training_labels_are_of_train_and_valid_alone(published, protocol):
    table = read_training_labels(protocol, published[protocol])
    counts = {split: table.splits.count(split) for split in set(table.splits)}
    assert counts == {"train": SIZES["train"], "valid": SIZES["valid"]}


def test_a_deepfashion_picture_of_two_values_has_two_rows(published):
    table = read_training_labels(Protocol.DEEPFASHION, published[Protocol.DEEPFASHION])
    assert len(table) == SIZES["train"] + SIZES["valid"] + 2  # one such picture in each


def test_stanfords_labels_have_no_split_of_their_own(published):
    table = read_training_labels(Protocol.STANFORD, published[Protocol.STANFORD])
    assert set(table.splits) == {"all"}


def test_triplets_are_no_labels(published):
    with pytest.raises(ProtocolError, match="triplets and no labels"):
        read_training_labels(Protocol.ZAPPOS, published[Protocol.ZAPPOS])


def test_a_split_that_is_not_measured_is_refused_with_those_that_are(published):
    with pytest.raises(ProtocolError, match=r"fashionai has no split 'train'.*: valid, test"):
        read_task(Protocol.FASHIONAI, published[Protocol.FASHIONAI], "train")


def test_missing_pictures_are_counted_before_any_is_embedded(published, tmp_path):
    folder = shutil.copytree(published[Protocol.DARN], tmp_path / "copy")
    files = read_task(Protocol.DARN, folder, "test").files
    for file in files[2:5]:
        file.unlink()
    with pytest.raises(ProtocolError) as caught:
        read_task(Protocol.DARN, folder, "test")
    assert f"3 of {len(files)} pictures are missing; the first is {files[2]}" in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProtocolError, match="nowhere is no folder"):
        read_task(Protocol.ZAPPOS, tmp_path / "nowhere", "test")
