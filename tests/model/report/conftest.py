"""Drawn garments, embedded by the shipped model once for all tests of the report."""

import shutil
from collections.abc import Iterator

import pytest

from model.drawings import write_catalog
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, embed_table
from model.labels import read_labels

DRAWN = 40


@pytest.fixture(scope="session")
def drawn(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTable]:
    folder = tmp_path_factory.mktemp("drawn-for-report")
    table = read_labels(write_catalog(folder, DRAWN, 3), attributes=encoder.card.attribute_names)
    yield embed_table(encoder, table)
    shutil.rmtree(folder)
