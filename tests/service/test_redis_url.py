from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import SSLConnection

from service.redis_server import Server
from service.redis_url import (
    InvalidUrl,
    folder_or_url,
    hosts,
    is_redis,
    master_of,
    of_one_host,
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


def test_hosts_and_master_are_read():
    parts = urlsplit("redis+sentinel://shop:p%2Fw@a:1,b/main/3")
    assert hosts(parts, 26379) == [("a", 1), ("b", 26379)]
    assert master_of(parts) == ("main", 3)
    assert master_of(urlsplit("redis+sentinel://a/main")) == ("main", 0)


def test_every_host_is_reached_with_the_user_password_and_options_given_for_all():
    parts = urlsplit("rediss+cluster://shop:p%2Fw@a:1,b?ssl_ca_certs=/ca.pem")
    given = "rediss://shop:p%2Fw@{}?ssl_ca_certs=/ca.pem"
    assert of_one_host(parts, "b", 6379) == given.format("b:6379")
    assert of_one_host(parts, "fe80::1", 1) == given.format("[fe80::1]:1")
    assert of_one_host(urlsplit("redis+sentinel://a/main"), "a", 1) == "redis://a:1"


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
        "redis+cluster://a?no_such_option=1",
        "redis+sentinel://a/shop?no_such_option=1",
    ],
)
async def test_url_that_cannot_be_read_is_refused(url):
    with pytest.raises(InvalidUrl):
        Server(url, timeout_s=1)


async def test_secure_schemes_encrypt_every_way_with_the_options_given():
    for url in ("rediss://a", "rediss+cluster://a,b", "rediss+sentinel://a/shop"):
        server = Server(f"{url}?ssl_ca_certs=/ca.pem&ssl_check_hostname=no", timeout_s=1)
        client = server._client
        if server.is_cluster:
            client = client._connect(("b", 6379))
        pool = client.connection_pool
        sentinels = getattr(pool, "sentinel_manager", None)
        for one in (pool, *(s.connection_pool for s in (sentinels.sentinels if sentinels else ()))):
            assert issubclass(one.connection_class, SSLConnection)
            assert one.connection_kwargs["ssl_ca_certs"] == "/ca.pem"
            assert one.connection_kwargs["ssl_check_hostname"] is False
        await server.close()
