"""The published copies, written once."""

from pathlib import Path

import pytest

from model.protocols.tasks import Protocol
from tests.model.protocols.published_copies import write_lists, write_stanford, write_zappos


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[Protocol, Path]:
    """The folder of each data set; nobody may write into them."""
    root = tmp_path_factory.mktemp("published")
    folders = {protocol: root / protocol.value for protocol in Protocol}
    for protocol in (Protocol.FASHIONAI, Protocol.DARN, Protocol.DEEPFASHION):
        write_lists(protocol, folders[protocol])
    write_zappos(folders[Protocol.ZAPPOS])
    write_stanford(folders[Protocol.STANFORD])
    return folders
