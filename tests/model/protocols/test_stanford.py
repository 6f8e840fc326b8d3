import shutil
import sys

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from model.protocols.stanford import read_ground_truth, read_stanford
from model.protocols.tasks import Protocol, ProtocolError


@pytest.fixture
def folder(published, tmp_path):
    return shutil.copytree(published[Protocol.STANFORD], tmp_path / "copy")


def test_each_number_that_is_not_nan_is_a_label(folder):
    files, attributes, rows = read_ground_truth(folder)
    assert attributes == ("collar", "scarf", "sleevelength")
    assert [file.name for file in files[:2]] == ["000001.jpg", "000002.jpg"]
    labelled = {(picture, attributes[a]): value for picture, a, value in rows.tolist()}
    for name in attributes:
        column = loadmat(folder / "labels" / f"{name}_GT.mat")["GT"].ravel()
        for picture, value in enumerate(column):
            if np.isnan(value):
                assert (picture, name) not in labelled
            else:
                assert labelled[picture, name] == value
    assert (0, "scarf") not in labelled


def test_every_labelled_picture_is_query_and_candidate_of_the_others(folder):
    task = read_stanford(folder)
    assert task.leave_out_own
    np.testing.assert_array_equal(task.queries, task.candidates)
    assert len(task.queries) == len(read_ground_truth(folder)[2])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"labels": np.ones((10, 1))}, "has no variable 'GT'; it has: labels"),
        ({"GT": np.ones((10, 2))}, r"one column of numbers, not float64 \(10, 2\)"),
        ({"GT": "yes"}, "one column of numbers"),
        ({"GT": np.array([[1.0], [2.5]])}, "entry 2: a whole number or NaN is expected, not 2.5"),
        ({"GT": np.array([[np.inf]])}, "entry 1: a whole number or NaN"),
        ({"GT": np.ones((9, 1))}, r"is of 10 pictures, but black_GT\.mat of 9"),
    ],
)
def test_a_malformed_file_is_named(folder, variables, message):
    savemat(folder / "labels" / "black_GT.mat", variables)
    with pytest.raises(ProtocolError, match=message):
        read_ground_truth(folder)


def test_labels_that_are_all_nan_are_no_labels(folder):
    for path in (folder / "labels").iterdir():
        savemat(path, {"GT": np.full((10, 1), np.nan)})
    with pytest.raises(ProtocolError, match="hold no label"):
        read_ground_truth(folder)


def test_a_damaged_file_and_an_empty_folder_are_named(folder, tmp_path):
    (folder / "labels" / "black_GT.mat").write_bytes(b"not a matrix")
    with pytest.raises(ProtocolError, match=r"black_GT\.mat is no MATLAB file"):
        read_ground_truth(folder)
    with pytest.raises(ProtocolError, match=r"no file labels/\*_GT\.mat"):
        read_ground_truth(tmp_path)


def test_without_scipy_it_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ProtocolError, match=r"needs scipy; install it with: pip install"):
        read_ground_truth(folder)
