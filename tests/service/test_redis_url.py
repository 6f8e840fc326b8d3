from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.redis_server import Server
from service.redis_url import (
    InvalidUrl,
    credentials,
    folder_or_url,
    hosts,
    is_redis,
    master_of,
    without_password,
)


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:6379/0",
        "rediss://user:pass@host",
        "unix:///run/redis.sock?db=2",
        "unix://user:pass@/run/redis.sock",
        "redis+sentinel://a:1,b:2/shop/0",
        "rediss+cluster://a,b:7000",
    ],
)
def test_url_stays_a_url_also_after_it_was_taken_for_a_path(url):
    assert is_redis(url)
    assert folder_or_url(url) == url
    assert folder_or_url(Path(url)) == url


@pytest.mark.parametrize("folder", ["lapel-data", "/var/lib/lapel", "redis", "C:/shop", "a:/b"])
def test_everything_else_is_a_folder(folder):
    assert folder_or_url(folder) == Path(folder)
    assert not is_redis(folder)


def test_password_is_not_shown():
    assert without_password("redis://shop:s3c:r@t@host/0") == "redis://shop:***@host/0"
    assert without_password("redis://host/0") == "redis://host/0"


def test_hosts_master_and_credentials_are_read():
    parts = urlsplit("redis+sentinel://shop:p%2Fw@a:1,b/main/3")
    assert hosts(parts, 26379) == [("a", 1), ("b", 26379)]
    assert master_of(parts) == ("main", 3)
    assert credentials(parts) == {"username": "shop", "password": "p/w"}
    assert master_of(urlsplit("redis+sentinel://a/main")) == ("main", 0)
    assert credentials(urlsplit("redis+cluster://a")) == {}


@pytest.mark.parametrize(
    "url",
    [
        "folder",
        "http://host",
        "redis://host:port",
        "redis://host/?no_such_option=1",
        "redis+sentinel://a:26379",
        "redis+sentinel://a:26379/shop/zero",
        "redis+cluster://a:b",
        "redis+cluster://",
    ],
)
async def test_url_that_cannot_be_read_is_refused(url):
    with pytest.raises(InvalidUrl):
        Server(url, timeout_s=1)


async def test_secure_schemes_encrypt():
    for url in ("rediss://a", "rediss+cluster://a", "rediss+sentinel://a/shop"):
        server = Server(url, timeout_s=1)
        pool = getattr(server._client, "connection_pool", None)
        made = pool.connection_class if pool else server._client.connection_kwargs
        assert "SSL" in str(made)
        await server.close()
