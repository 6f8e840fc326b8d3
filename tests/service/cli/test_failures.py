import doctest

import pytest

from service.cli import failures
from service.cli.failures import in_one_line
from service.settings import Settings


def test_the_examples_hold():
    assert doctest.testmod(failures).failed == 0


def test_a_setting_out_of_bounds_is_named_as_the_user_set_it(monkeypatch):
    monkeypatch.setenv("LAPEL_CACHE_MIB", "-3")
    with pytest.raises(ValueError) as caught:
        Settings()
    assert in_one_line(caught.value) == (
        "LAPEL_CACHE_MIB='-3': Input should be greater than or equal to 0"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "none.png", "none.png"),
        ("search", "none.png"),
        ("index", "none"),
        ("reindex", "--store", "none"),
        ("evaluate", "none.onnx", "--data", "none.csv"),
        ("pictures", "none.onnx", "--data", "none.csv"),
        ("model", "show", "none.onnx"),
        ("embed", "none.png"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(run, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("lapel: ")
    assert "none" in line
    assert list(tmp_path.iterdir()) == []
