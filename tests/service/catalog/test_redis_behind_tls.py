"""A user with the rights that docs/redis.md names and no other, over TLS."""

import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from catalog_samples import assert_same, found, garment, like, opened_redis, with_further
from redis_process import RedisProcess, free_port
from redis_waiting import until
from tls_forwarder import Certificates, forwarding

from model.encoder import ImageEmbedding
from service.catalog.models import Peer, Roles
from service.catalog.redis import commits
from service.catalog.redis.catalog import RedisStore
from service.catalog.redis.rights import COMMANDS, OTHERS
from service.catalog.store import StoreError
from service.catalog.where import parse_where
from service.evidence.redis_store import RedisEvidence
from service.evidence.store import EvidenceRecord, Pictures
from service.redis_cache import RedisCache

GUIDE = Path(__file__).parents[3] / "docs" / "redis.md"
PASSWORD = "p@ss/word:1"


def rights(user: str) -> list[str]:
    """What the guide tells to allow a user."""
    told = re.search(rf"ACL SETUSER {user} on >secret ((?:[^\\\n]|\\\n)+)", GUIDE.read_text())
    assert told is not None
    return told[1].replace("\\\n", " ").split()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis with the two users."""
    process = RedisProcess(tmp_path_factory.mktemp("guarded"))
    try:
        with process.client() as client:
            for user in ("shop", "cache"):
                client.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rights(user))
        yield process
    finally:
        process.kill()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def url(guarded: RedisProcess, certificates: Certificates) -> AsyncIterator[str]:
    with guarded.client() as client:
        client.flushall()
    async with forwarding(guarded.socket, certificates) as port:
        yield f"rediss://{{}}@127.0.0.1:{port}/2?ssl_ca_certs={certificates.file}"


def as_user(url: str, user: str = "shop", password: str = PASSWORD) -> str:
    return url.format(f"{user}:{quote(password, safe='')}")


@contextlib.contextmanager
def without(process: RedisProcess, *rules: str) -> Iterator[None]:
    with process.client() as client:
        client.execute_command("ACL", "SETUSER", "shop", *rules)
        try:
            yield
        finally:
            reset = ("resetkeys", "resetchannels", *rights("shop"))
            client.execute_command("ACL", "SETUSER", "shop", *reset)


async def everything_that_a_store_does(url: str) -> None:
    """With several parts, vector sets, images, models and evidence."""
    views = dataclasses.replace(with_further(garment("g3"), garment("v", image=b"2")), id="g3")
    garments = [garment(f"g{n}", {"n": n % 2}, image=b"jpeg") for n in range(500)]
    async with opened_redis(url, partitions=2) as catalog, opened_redis(url, "bbbb") as other:
        before = other.version
        await catalog.put("shop", garments)
        await until(lambda: other.version > before)
        await catalog.put("shop", [views])
        await catalog.put("shop", [garments[4], garment("g3", image=b"3")])
        assert (await found(catalog, garments[7], where=parse_where({"n": 1})))[0] == "g7"
        await catalog.put("shop", [views])
        assert await catalog.image("shop", "g3", 1) == b"2"
        assert (await catalog.search("shop", like(garments[8], limit=5))).total == 500
        assert await other.stale() == 500
        assert [g.id for _, g in await other.stale_garments(2)] == ["g0", "g1"]
        assert await other.complete("shop", garments[:2]) == [True, True]
        assert await catalog.delete("shop", "g9")
        assert await catalog.catalogs() == {"shop": 499}
        assert_same(await catalog.get("shop", "g5"), garments[5])
    store = await RedisStore.open(url)
    await store.keep_file("bbbb", b"model")
    assert await store.model_file("bbbb") == b"model"
    assert await store.change(Roles("", "", ""), Roles("aaaa", "bbbb", ""))
    peer = Peer("one", "aaaa")
    switched = Roles("bbbb", "", "aaaa")
    assert not await store.change(Roles("aaaa", "bbbb", ""), switched)  # some have no vectors
    assert (await store.meet(peer, may_lead=True)).leads
    await store.leave("one")
    assert await store.models_held() == {"aaaa", "bbbb"}
    await store.forget_model("bbbb")
    await store.close()


async def everything_that_evidence_does(url: str) -> None:
    evidence = RedisEvidence(url)
    record = EvidenceRecord(
        "e1", "00" * 32, {"created_at": "2024-05-05T05:05:05Z"}, Pictures(b"a", b"b", b"1", b"2")
    )
    await evidence.add(record)
    assert await evidence.get("e1") == record
    assert [one.sha256 for one in await evidence.page(None, 9)] == [record.sha256]
    assert await evidence.delete("e1")
    await evidence.close()


async def test_rights_in_the_guide_are_enough_and_all_of_them_are_used(
    url, guarded, few, monkeypatch
):
    monkeypatch.setattr(commits, "QUIET_S", 0.05)
    with guarded.client() as client:
        client.config_resetstat()
        async with opened_redis(as_user(url), partitions=2):
            await until(lambda: "cmdstat_ping" in client.info("commandstats"))
        await everything_that_a_store_does(as_user(url))
        await everything_that_evidence_does(as_user(url))
        used = {name.removeprefix("cmdstat_").upper() for name in client.info("commandstats")}
    granted = {rule[1:].upper() for rule in rights("shop") if rule.startswith("+")}
    assert granted - {"CLUSTER|SLOTS", "ASKING"} <= used
    assert {*COMMANDS, *OTHERS} <= granted


async def test_cache_needs_three_commands_on_its_own_keys(url):
    one = ImageEmbedding(*(np.zeros(s, np.float32) for s in ((3, 8), 3, 3, (3, 7, 5), 11)))
    cache = RedisCache(as_user(url, "cache"), ttl_s=1000)
    await cache.put_many({"a": one})
    (read,) = await cache.get_many(["a"])
    assert read is not None
    await cache.close()
    with pytest.raises(StoreError, match="no permissions to run"):
        async with opened_redis(as_user(url, "cache")):
            pass


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["-vsim"], "the user may not run VSIM on keys"),
        (["-hincrby", "-ping"], "the user may not run HINCRBY, PING on keys"),
        (["resetchannels"], "the user may not run PUBLISH .*channel lapel:commits"),
        (["resetkeys", "~lapel:*"], "No permissions to access a key|the user may not run DEL, "),
        (["resetkeys", "~{lapel:*"], "No permissions to access a key"),
        (["-eval"], "no permissions to run the 'eval' command"),
        (["-subscribe"], "no permissions to run the 'subscribe' command"),
    ],
)
async def test_missing_right_is_named_before_anything_is_written(url, guarded, rules, said):
    with without(guarded, *rules), pytest.raises(StoreError, match=said) as caught:
        async with opened_redis(as_user(url)):
            pass
    assert quote(PASSWORD, safe="") not in str(caught.value)


async def test_wrong_password_is_said_and_not_shown(url):
    with pytest.raises(StoreError, match="invalid username-password pair") as caught:
        async with opened_redis(as_user(url, password="guess")):
            pass
    assert "guess" not in str(caught.value)
    async with opened_redis(as_user(url)) as catalog:
        assert await catalog.catalogs() == {}


async def test_certificate_of_an_unknown_authority_or_another_host_is_refused(
    url, guarded, certificates, tmp_path
):
    stranger = Certificates.made(tmp_path / "stranger")
    elsewhere = Certificates.made(tmp_path / "elsewhere", "redis.example")
    for wrong, said in (
        (as_user(url).replace(str(certificates.file), str(stranger.file)), "unable to get local"),
        (as_user(url).partition("?")[0], "unable to get local|self-signed"),
        (as_user(url).replace("rediss:", "redis:").partition("?")[0], "closed|reset"),
        (
            as_user(url).replace(str(certificates.file), str(tmp_path / "nothing.pem")),
            "No such file",
        ),
    ):
        with pytest.raises(StoreError, match=said):
            async with opened_redis(wrong):
                pass
    async with forwarding(guarded.socket, elsewhere) as port:
        place = f"127.0.0.1:{port}/0?ssl_ca_certs={elsewhere.file}"
        with pytest.raises(StoreError, match="IP address mismatch"):
            async with opened_redis(f"rediss://shop:{quote(PASSWORD, safe='')}@{place}"):
                pass


async def test_password_changed_meanwhile_is_an_outage_that_ends_when_it_is_right_again(
    url, guarded
):
    async with opened_redis(as_user(url)) as catalog:
        await catalog.put("shop", [garment("x")])
        with guarded.client() as client:
            client.execute_command("ACL", "SETUSER", "shop", "resetpass", ">another")
            client.client_kill_filter(user="shop")
            await until(lambda: catalog._commits.away)
            with pytest.raises(StoreError, match="does not answer"):
                await catalog.search("shop", like(garment("x")))
            client.execute_command("ACL", "SETUSER", "shop", "resetpass", f">{PASSWORD}")
        await until(lambda: not catalog._commits.away)
        assert await found(catalog, garment("x")) == ["x"]


async def test_cluster_is_reached_over_tls_by_the_ports_it_tells(tmp_path, certificates):
    port, plain = free_port(), free_port()
    told = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    process = RedisProcess(tmp_path, *told, "--cluster-announce-port", str(port), port=plain)
    try:
        with process.client() as client:
            client.execute_command("ACL", "SETUSER", "shop", "on", ">pw", *rights("shop"))
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            info = "CLUSTER INFO"
            await until(lambda: client.execute_command(info)["cluster_state"] == "ok")
        async with forwarding(process.socket, certificates, port=port):
            place = f"shop:pw@127.0.0.1:{port}?ssl_ca_certs={certificates.file}"
            async with opened_redis(f"rediss+cluster://{place}", partitions=3) as catalog:
                await catalog.put("shop", [garment(f"g{n}") for n in range(9)])
                assert (await found(catalog, garment("g4")))[0] == "g4"
    finally:
        process.kill()
