"""URLs meant to do harm, through the whole service: each is refused, with the code that fits."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from api_schemas.problems import Problem
from service.app import create_app
from service.fetch import opening
from service.fetch.fetcher import Limits
from service.settings import Settings
from tests.conftest import client_of
from tests.service.fetch.loopback import Loopback, Names, Script, ok, redirect, serving

NOT_ALLOWED = "image_url_not_allowed"
UNREACHABLE = "image_url_unreachable"
TIMEOUT = "image_url_timeout"
TOO_LARGE = "image_too_large"
INVALID = "invalid_image"

# Refused as it stands, without a question to anyone.
MISSPELLED = {
    "a file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL",
    "inline data": "data:image/png;base64,iVBORw0KGgo=",
    "no scheme": "//127.0.0.1/a.png",
    "another port": "http://8.8.8.8:22/",
    "a user": "http://example.com@127.0.0.1/",
    "a backslash": "http://127.0.0.1\\@example.com/",
    "a line break": "http://example.com/\r\nHost: inside",
    "octal": "http://0177.0.0.1/",
    "hexadecimal": "http://0x7f.0.0.1/",
    "one number": "http://2130706433/",
    "one hexadecimal number": "http://0x7f000001/",
    "too few parts": "http://127.1/",
    "percent codes": "http://%31%32%37.0.0.1/",
    "a trailing dot": "http://localhost./",
    "an address with a trailing dot": "http://127.0.0.1./",
    "a zone": "http://[fe80::1%25eth0]/",
}
# Addresses that no image comes from.
ADDRESSES = {
    "loopback": "http://127.0.0.1/",
    "loopback further on": "http://127.8.8.8/",
    "IPv6 loopback": "http://[::1]/",
    "this host": "http://0.0.0.0/",
    "unspecified": "http://[::]/",
    "private 10": "http://10.0.0.1/",
    "private 172": "http://172.16.0.1/",
    "private 192": "https://192.168.1.1/",
    "carrier's": "http://100.100.100.200/latest/meta-data/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "IPv6 metadata": "http://[fd00:ec2::254]/latest/meta-data/",
    "Azure's host": "http://168.63.129.16/machine",
    "broadcast": "http://255.255.255.255/",
    "multicast": "http://224.0.0.251/",
    "IPv6 multicast": "http://[ff02::1]/",
    "link-local": "http://[fe80::1]/",
    "mapped": "http://[::ffff:127.0.0.1]/",
    "mapped in hexadecimal": "http://[::ffff:7f00:1]/",
    "compatible": "http://[::127.0.0.1]/",
    "NAT64": "http://[64:ff9b::a9fe:a9fe]/",
    "local NAT64": "http://[64:ff9b:1::a00:1]/",
    "6to4": "http://[2002:7f00:1::]/",
    "Teredo": "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "circled digits": "http://①②⑦.⓪.⓪.①/",
    "ideographic dots": "http://127。0。0。1/",
}
# Names, by what they resolve to; the resolver below knows them.
NAMES = {
    "localhost": "http://localhost/",
    "a name of loopback": "http://here.example/",
    "a name of a private address": "https://private.example/",
    "a name of the metadata": "http://metadata.google.internal/computeMetadata/v1/",
    "a name in NAT64": "http://translated.example/",
    "a name in 6to4": "http://tunnelled.example/",
    "a mapped name": "http://mapped.example/",
    "a public and a private address": "http://mixed.example/",
    "an address with a zone": "http://zoned.example/",
}
RESOLVED = {
    "localhost": [["127.0.0.1", "::1"]],
    "here": [["127.0.0.1"]],
    "private": [["10.1.2.3"]],
    "metadata": [["169.254.169.254"]],
    "translated": [["64:ff9b::10.0.0.1"]],
    "tunnelled": [["2002:a00:1::1"]],
    "mapped": [["::ffff:10.0.0.1"]],
    "mixed": [["93.184.215.14", "10.0.0.1"]],
    "zoned": [["fe80::1%eth0"]],
    "changing": [["127.0.0.1"], ["10.0.0.1"]],
}
# Servers that misbehave; this machine stands for the public internet.
SERVERS = {
    "redirect to a private address": ("/private", NOT_ALLOWED),
    "redirect to the metadata": ("/metadata", NOT_ALLOWED),
    "redirect to a file": ("/file", NOT_ALLOWED),
    "the second redirect is the bad one": ("/twice", NOT_ALLOWED),
    "redirect to a private name": ("/named", NOT_ALLOWED),
    "redirects without end": ("/round", UNREACHABLE),
    "not there": ("/missing", UNREACHABLE),
    "gzip bomb": ("/bomb", UNREACHABLE),
    "another protocol": ("/ssh", UNREACHABLE),
    "cut off": ("/cut", UNREACHABLE),
    "a gigabyte announced": ("/gigabyte", TOO_LARGE),
    "a body without end": ("/endless", TOO_LARGE),
    "chunks without end": ("/chunks", TOO_LARGE),
    "a slow drip": ("/drip", TIMEOUT),
    "a slow header": ("/header", TIMEOUT),
    "a page, no image": ("/page", INVALID),
    "an empty answer": ("/empty", INVALID),
}


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
        await writer.drain()


async def gigabyte(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    await endless(writer)


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    await slowly(writer)


async def header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await slowly(writer)


async def slowly(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


ANSWERS: dict[str, bytes | Script] = {
    "/private": redirect("http://10.0.0.1/"),
    "/metadata": redirect("http://169.254.169.254/latest/", status=301),
    "/file": redirect("file:///etc/passwd"),
    "/twice": redirect("/private", status=308),
    "/named": redirect("http://private.example/"),
    "/round": redirect("/round"),
    "/bomb": ok(gzip.compress(bytes(10 << 20)), "Content-Encoding: gzip"),
    "/ssh": b"SSH-2.0-OpenSSH_9.7\r\n",
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\nx",
    "/gigabyte": gigabyte,
    "/endless": endless,
    "/chunks": chunks,
    "/drip": drip,
    "/header": header,
    "/page": ok(b"<html>sign in</html>", "Content-Type: image/png"),
    "/empty": ok(b""),
    "/again": redirect("http://changing.example:{port}/x", "Connection: close"),
}


@dataclass
class World:
    """A service that keeps to the public internet, one that may ask this machine, and a server."""

    portal: BlockingPortal
    strict: httpx.AsyncClient
    lenient: httpx.AsyncClient
    server: Loopback
    photo: bytes

    def ask(self, client: httpx.AsyncClient, url: str) -> Problem:
        """The problem that a search by this URL ends in."""

        async def search() -> httpx.Response:
            return await client.post("/v1/search", json={"query": {"url": url}})

        answer = self.portal.call(search)
        problem = Problem.model_validate_json(answer.content)
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem.status == answer.status_code
        return problem


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, photo: Callable[[int], bytes]
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hostile")

    @contextlib.asynccontextmanager
    async def opened(portal: BlockingPortal) -> AsyncIterator[World]:
        def app(name: str, **settings: Any) -> Any:
            shared = Settings(image_urls="on", store=folder / name, max_image_mib=1)
            return create_app(shared.model_copy(update=settings))

        async with (
            serving(dict(ANSWERS)) as server,
            client_of(app("strict")) as strict,
            client_of(app("lenient", image_url_loopback=True)) as lenient,
        ):
            yield World(portal, strict, lenient, server, photo(1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "SystemResolver", lambda threads: Names(**RESOLVED))
        patch.setattr(opening, "Limits", hasty)
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(opened(portal)) as world,
        ):
            yield world


def hasty(**limits: int) -> Limits:
    return Limits(**limits, connect_s=2.0, total_s=2.0)


HOSTILE = [
    *((name, "strict", url, NOT_ALLOWED) for name, url in (MISSPELLED | ADDRESSES | NAMES).items()),
    *((name, "lenient", path, code) for name, (path, code) in SERVERS.items()),
    ("an answer that changes", "lenient", "//changing.example/again", NOT_ALLOWED),
]


@pytest.mark.parametrize(
    ("service", "url", "code"), [rest for _, *rest in HOSTILE], ids=[name for name, *_ in HOSTILE]
)
def test_a_hostile_url_is_refused(world: World, service: str, url: str, code: str):
    if service == "strict":
        asked = world.server.connections
        problem = world.ask(world.strict, url)
        assert world.server.connections == asked
    else:
        name, path = url[2:].split("/") if url.startswith("//") else ("127.0.0.1", url[1:])
        problem = world.ask(world.lenient, world.server.url(f"/{path}", name))
    assert problem.code == code
    assert problem.status == (413 if code == TOO_LARGE else 422)


def test_there_are_forty_of_them():
    assert len(HOSTILE) >= 40
    assert len({url for _, _, url, _ in HOSTILE}) == len(HOSTILE)


def test_the_same_service_still_fetches_what_is_harmless(world: World):
    world.server.answers["/good"] = ok(world.photo)

    async def embed() -> httpx.Response:
        body = {"a": {"url": world.server.url("/good")}, "b": {"url": world.server.url("/good")}}
        return await world.lenient.post("/v1/compare", json=body)

    answer = world.portal.call(embed)
    assert answer.status_code == 200
    assert answer.json()["model"]["fingerprint"]


def test_a_problem_does_not_tell_what_a_name_resolves_to(world: World):
    problem = world.ask(world.strict, "https://private.example/?token=SECRET")
    assert problem.detail == "host 'private.example' is not on the public internet"
