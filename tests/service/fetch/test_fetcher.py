import asyncio
import functools
import gzip
import ssl
from collections.abc import AsyncIterator

import httpcore
import pytest
import trustme

from service.errors import (
    ImageTooLarge,
    ImageUrlNotAllowed,
    ImageUrlTimeout,
    ImageUrlUnreachable,
    Overloaded,
    ServiceError,
)
from service.fetch.fetcher import Fetcher, Limits
from service.fetch.targets import HostRule, Rules
from tests.service.fetch.loopback import Loopback, Names, Script, ok, redirect, serving

HERE = [["127.0.0.1"]]
PATIENT = Limits(max_bytes=100_000, connect_s=30, total_s=60)
HASTY = Limits(max_bytes=100_000, connect_s=30, total_s=0.2)


def fetcher_of(
    names: Names | None = None,
    limits: Limits = PATIENT,
    hosts: tuple[str, ...] = (),
    trusted: ssl.SSLContext | None = None,
) -> Fetcher:
    rules = Rules([HostRule.read(host) for host in hosts], loopback=True)
    return Fetcher(rules, names or Names(), limits, trusted or well_known())


@functools.cache
def well_known() -> ssl.SSLContext:
    """What a fetcher takes by itself; it costs more to make than most tests here."""
    return httpcore.default_ssl_context()


async def refused(fetcher: Fetcher, url: str) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await fetcher.fetch(url)
    return raised.value


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(bytes(1 << 14))
        await writer.drain()


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def test_the_bytes_come_as_they_are():
    body = bytes(range(256)) * 300
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    answers = {"/a?w=%C3%A9": ok(body, "Content-Type: image/png"), "/chunked": chunked}
    async with serving(answers) as server, fetcher_of() as fetcher:
        assert await fetcher.fetch(server.url("/a?w=é")) == body
        assert await fetcher.fetch(server.url("/chunked")) == b"hello"


async def test_the_request_says_little_and_asks_for_plain_bytes(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens on the discard port
    answers = {"/a": ok(b"one", "Set-Cookie: id=7"), "/b": ok(b"two")}
    names = Names(img=HERE)
    async with serving(answers) as server, fetcher_of(names) as fetcher:
        assert await fetcher.fetch(server.url("/a", "img.example")) == b"one"
        assert await fetcher.fetch(server.url("/b", "img.example")) == b"two"
    assert server.requests[1].split("\r\n")[:-2] == [
        "GET /b HTTP/1.1",
        f"Host: img.example:{server.port}",
        "User-Agent: Lapel",
        "Accept: image/jpeg, image/png, image/webp, image/*;q=0.5",
        "Accept-Encoding: identity",
    ]


async def test_a_name_is_looked_up_once_for_a_connection_that_serves_several_images():
    names = Names(img=[["127.0.0.1"], ["10.0.0.1"]])
    async with serving({"/": ok(b"x")}) as server, fetcher_of(names) as fetcher:
        for _ in range(3):
            assert await fetcher.fetch(server.url(host="img.example")) == b"x"
    assert (server.connections, names.asked) == (1, ["img.example"])


async def test_a_name_that_changes_its_mind_is_checked_for_each_connection():
    names = Names(img=[["127.0.0.1"], ["10.0.0.1"]])
    answers = {"/": ok(b"x", "Connection: close")}
    async with serving(answers) as server, fetcher_of(names) as fetcher:
        assert await fetcher.fetch(server.url(host="img.example")) == b"x"
        error = await refused(fetcher, server.url(host="img.example"))
    assert isinstance(error, ImageUrlNotAllowed)
    assert error.detail == "host 'img.example' is not on the public internet"
    assert server.connections == 1


async def test_one_address_that_is_not_allowed_spoils_a_name():
    names = Names(img=[["127.0.0.1", "192.168.0.1"]])
    async with serving({"/": ok(b"x")}) as server, fetcher_of(names) as fetcher:
        error = await refused(fetcher, server.url(host="img.example"))
    assert isinstance(error, ImageUrlNotAllowed)
    assert "192.168" not in error.detail
    assert server.connections == 0


async def test_the_next_address_is_tried_where_one_takes_no_connection():
    # The server listens on 127.0.0.1 alone.
    names = Names(img=[["127.0.0.2", "127.0.0.1"]])
    async with serving({"/": ok(b"x")}) as server, fetcher_of(names) as fetcher:
        assert await fetcher.fetch(server.url(host="img.example")) == b"x"


async def test_three_redirects_are_followed_and_a_fourth_is_not():
    answers = {f"/{n}": redirect(f"/{n + 1}", status=307) for n in range(4)} | {"/4": ok(b"x")}
    async with serving(answers) as server, fetcher_of() as fetcher:
        assert await fetcher.fetch(server.url("/1")) == b"x"
        error = await refused(fetcher, server.url("/0"))
    assert isinstance(error, ImageUrlUnreachable)
    assert error.detail == "more than 3 redirects"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://10.0.0.1/", "host '10.0.0.1' is not on the public internet"),
        ("http://inside.example/", "host 'inside.example' is not on the public internet"),
        ("http://other.elsewhere/", "redirects: host 'other.elsewhere' is not one of those"),
        ("ftp://img.example/", "redirects: scheme 'ftp'"),
    ],
)
async def test_every_redirect_is_checked(location: str, said: str):
    names = Names(img=HERE, inside=[["169.254.169.254"]])
    hosts = ("*.example", "10.0.0.1")
    answers = {"/": redirect(location)}
    async with serving(answers) as server, fetcher_of(names, hosts=hosts) as fetcher:
        error = await refused(fetcher, server.url(host="img.example"))
    assert isinstance(error, ImageUrlNotAllowed)
    assert said in error.detail


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404"),
        (b"HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx", "answers 206"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "answers 304"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "redirects without saying where"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nx", "HTTP/1.1"),
        (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", "HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "HTTP/1.1"),
        (ok(gzip.compress(bytes(1 << 20)), "Content-Encoding: gzip"), "encoding 'gzip'"),
        (
            ok(b"x", "Content-Encoding: identity", "Content-Encoding: br"),
            "sends content-encoding twice",
        ),
        (redirect("/a", "Location: /b"), "sends location twice"),
        (b"", "HTTP/1.1"),
    ],
)
async def test_what_is_no_plain_answer_is_told(answer: bytes, said: str):
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with serving({"/": send}) as server, fetcher_of() as fetcher:
        error = await refused(fetcher, server.url())
    assert isinstance(error, ImageUrlUnreachable)
    assert error.detail.startswith("host '127.0.0.1' ")
    assert said in error.detail


async def test_a_host_that_is_not_there_is_told():
    async with serving({}) as server:
        pass
    async with fetcher_of() as fetcher:
        closed = await refused(fetcher, server.url())
        unknown = await refused(fetcher, "http://nowhere.example/")
    assert isinstance(closed, ImageUrlUnreachable)
    assert closed.detail == "host '127.0.0.1' takes no connection"
    assert isinstance(unknown, ImageUrlUnreachable)
    assert unknown.detail == "host 'nowhere.example' has no address"


async def announced(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    await silent(writer)


@pytest.mark.parametrize("answer", [endless, announced, ok(bytes(100_001))])
async def test_more_bytes_than_allowed_are_not_read(answer: bytes | Script):
    async with serving({"/": answer}) as server, fetcher_of() as fetcher:
        error = await refused(fetcher, server.url())
    assert isinstance(error, ImageTooLarge)
    assert "100000 bytes allowed" in error.detail


async def test_the_largest_image_allowed_comes_whole():
    async with serving({"/": ok(bytes(100_000))}) as server, fetcher_of() as fetcher:
        assert len(await fetcher.fetch(server.url())) == 100_000


@pytest.mark.parametrize("answer", [drip, silent], ids=lambda answer: answer.__name__)
async def test_a_slow_server_is_given_up(answer: Script):
    async with serving({"/": answer}) as server, fetcher_of(limits=HASTY) as fetcher:
        error = await refused(fetcher, server.url())
    assert isinstance(error, ImageUrlTimeout)
    assert "30 s to connect and 0.2 s in all" in error.detail


async def test_redirects_share_the_time_of_one_fetch():
    async def later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(redirect("/", "Connection: close"))
        await writer.drain()

    async with serving({"/": later}) as server, fetcher_of(limits=HASTY) as fetcher:
        error = await refused(fetcher, server.url())
    assert isinstance(error, ImageUrlTimeout)


async def test_a_name_server_that_does_not_answer_is_given_up():
    async def never(name: str) -> list[str]:
        await asyncio.sleep(3600)
        return []

    async with Fetcher(Rules(), never, Limits(connect_s=0.05, total_s=60)) as fetcher:
        error = await refused(fetcher, "http://img.example/")
    assert isinstance(error, ImageUrlTimeout)


async def test_fetches_at_the_same_time_are_bounded_and_the_rest_waits_or_is_refused():
    go, full = asyncio.Event(), asyncio.Event()
    busy = most = 0

    async def held(writer: asyncio.StreamWriter) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        if busy == 2:
            full.set()
        await go.wait()
        busy -= 1
        writer.write(ok(b"x"))
        await writer.drain()

    limits = Limits(connect_s=30, total_s=60, together=2)
    async with serving({"/": held}) as server, fetcher_of(limits=limits) as fetcher:
        tasks = [asyncio.create_task(fetcher.fetch(server.url())) for _ in range(2 + 4 * 2)]
        await full.wait()
        error = await refused(fetcher, server.url())
        go.set()
        assert await asyncio.gather(*tasks) == [b"x"] * 10
    assert isinstance(error, Overloaded)
    assert most == 2


async def test_a_fetch_that_gets_no_place_in_time_is_refused_as_busy():
    limits = Limits(connect_s=30, total_s=0.2, together=1)
    async with serving({"/": silent}) as server, fetcher_of(limits=limits) as fetcher:
        first = asyncio.create_task(fetcher.fetch(server.url()))
        outcomes = await asyncio.gather(first, fetcher.fetch(server.url()), return_exceptions=True)
        # Whichever of the two clocks rings first: the second gave up waiting, or got the place.
        assert isinstance(outcomes[0], ImageUrlTimeout)
        assert isinstance(outcomes[1], Overloaded | ImageUrlTimeout)


async def test_a_caller_that_leaves_frees_its_place():
    begun = asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        begun.set()
        await silent(writer)

    limits = Limits(connect_s=30, total_s=60, together=1)
    answers = {"/silent": held, "/": ok(b"x")}
    async with serving(answers) as server, fetcher_of(limits=limits) as fetcher:
        task = asyncio.create_task(fetcher.fetch(server.url("/silent")))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await fetcher.fetch(server.url()) == b"x"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def encrypted(authority: trustme.CA) -> AsyncIterator[Loopback]:
    """A server whose certificate is for img.example."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("img.example").configure_cert(context)
    answers = {"/": ok(b"x"), "/down": redirect("http://img.example:{port}/")}
    async with serving(answers, context) as server:
        context.sni_callback = lambda _socket, name, _context: server.named.append(name)
        yield server


async def test_a_certificate_is_held_against_the_name_though_the_address_was_connected_to(
    encrypted: Loopback, trusted: ssl.SSLContext
):
    names = Names(img=HERE, other=HERE)
    async with fetcher_of(names, trusted=trusted) as fetcher:
        assert await fetcher.fetch(encrypted.url("/", "img.example", "https")) == b"x"
        error = await refused(fetcher, encrypted.url("/", "other.example", "https"))
        by_address = await refused(fetcher, encrypted.url("/", "127.0.0.1", "https"))
    for each in (error, by_address):
        assert isinstance(each, ImageUrlUnreachable)
        assert "shows no certificate for its name that is believed" in each.detail
    assert len(encrypted.requests) == 1
    assert encrypted.named[:2] == ["img.example", "other.example"]


async def test_a_certificate_of_nobody_known_is_not_believed(encrypted: Loopback):
    async with fetcher_of(Names(img=HERE)) as fetcher:
        error = await refused(fetcher, encrypted.url("/", "img.example", "https"))
    assert isinstance(error, ImageUrlUnreachable)
    assert "certificate" in error.detail


async def test_a_redirect_that_drops_encryption_is_refused(
    encrypted: Loopback, trusted: ssl.SSLContext
):
    async with fetcher_of(Names(img=HERE), trusted=trusted) as fetcher:
        error = await refused(fetcher, encrypted.url("/down", "img.example", "https"))
    assert isinstance(error, ImageUrlNotAllowed)
    assert error.detail == "img.example redirects from https to http"
