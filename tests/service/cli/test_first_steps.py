import csv

import pytest

from model.similarity import read_values
from service.cli.first_steps import FAVOURITES, find_example
from service.cli.opening import embed_file, open_workplace, settings_with


def example_of(store):
    with open_workplace(settings_with(store=store)) as workplace:
        return workplace.run(find_example(workplace.services))


@pytest.fixture
def readings(encoder, pictures):
    """What the model reads of the favourite attribute, by picture that shows it."""
    place = encoder.card.attribute_names.index(FAVOURITES[0])
    read = {file: read_values(embed_file(encoder, file), encoder.card)[place] for file in pictures}
    return {file: each.value for file, each in read.items() if each.value}


def test_the_example_is_the_garment_that_is_read_as_its_metadata_say(run, readings, tmp_path):
    right = next(file for file, value in reversed(readings.items()) if value != "none")
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "file", FAVOURITES[0]])
        for file in readings:
            table.writerow([file.stem, file, readings[file] if file == right else "frilled"])
    assert run("index", tmp_path / "t.csv", "--store", tmp_path / "s").code == 0
    example = example_of(tmp_path / "s")
    assert (example.id, example.attribute) == (right.stem, FAVOURITES[0])


def test_a_garment_said_to_lack_the_attribute_is_the_last_choice(run, readings, tmp_path):
    said = {file: "frilled" if number == 1 else "none" for number, file in enumerate(readings)}
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "file", FAVOURITES[0]])
        table.writerows([file.stem, file, value] for file, value in said.items())
    assert run("index", tmp_path / "t.csv", "--store", tmp_path / "s").code == 0
    assert said[next(f for f in said if f.stem == example_of(tmp_path / "s").id)] == "frilled"


def test_an_empty_store_has_no_example(tmp_path):
    assert example_of(tmp_path / "empty") is None
