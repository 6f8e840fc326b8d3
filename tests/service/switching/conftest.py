import hashlib
from pathlib import Path

import pytest
from other_model import write_other_model
from redis_process import RedisProcess

from model.encoder import FINGERPRINT_DIGITS, SHIPPED_MODEL


@pytest.fixture(scope="session")
def other_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_other_model(tmp_path_factory.mktemp("other") / "other.onnx")


@pytest.fixture(scope="session")
def other_model(other_file: Path) -> bytes:
    return other_file.read_bytes()


@pytest.fixture(scope="session")
def third_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("third") / "third.onnx"
    return write_other_model(path, "third").read_bytes()


@pytest.fixture(scope="session")
def shipped_model() -> bytes:
    return SHIPPED_MODEL.read_bytes()


@pytest.fixture(scope="session")
def fingerprints(shipped_model: bytes, other_model: bytes) -> tuple[str, str]:
    """Of the shipped model and of the other one."""
    digests = (hashlib.sha256(data).hexdigest() for data in (shipped_model, other_model))
    old, new = (digest[:FINGERPRINT_DIGITS] for digest in digests)
    return old, new


@pytest.fixture(params=["embedded", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """A folder, or the URL of a Redis."""
    if request.param == "embedded":
        return tmp_path / "store"
    process: RedisProcess = request.getfixturevalue("redis_process")
    return process.url
