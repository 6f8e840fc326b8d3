"""A master, a replica and a Sentinel, on ports of this machine."""

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_samples import assert_same, found, garment, like, opened_redis
from redis_process import RedisProcess, free_port
from redis_waiting import until, until_it_answers
from tls_forwarder import Certificates, forwarding

from service.catalog.redis import commits
from service.catalog.store import StoreError
from service.evidence.redis_store import RedisEvidence
from service.evidence.store import EvidenceRecord, Pictures

QUICKLY = ("SENTINEL", "DEBUG", "INFO-PERIOD", "100", "ASK-PERIOD", "50")
MASTER_STAYS_MS = 60_000
"""Four times as long a master that has been replaced is left one."""


class Watched:
    """Two servers, one following the other, and who says which of them is the master."""

    def __init__(self, folder: Path) -> None:
        ports = free_port(), free_port()
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor shop 127.0.0.1 {ports[0]} 1\n"
            "sentinel down-after-milliseconds shop 400\n"
            "sentinel failover-timeout shop 4000\n"
        )
        self.running: list[RedisProcess] = []
        try:
            self.servers = [self._started(folder / "0", port=ports[0])]
            follow = ("--replicaof", "127.0.0.1", str(ports[0]), "--repl-diskless-sync-delay", "0")
            self.servers.append(self._started(folder / "1", *follow, port=ports[1]))
            self.sentinel = self._started(folder / "s", sentinel=configuration, port=free_port())
        except BaseException:
            self.kill()
            raise
        self.url = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/shop/2"

    def _started(self, *given: object, **more: object) -> RedisProcess:
        self.running.append(RedisProcess(*given, **more))
        return self.running[-1]

    def ask(self, *command: str) -> object:
        with self.sentinel.client() as client:
            return client.execute_command(*command)

    @property
    def master(self) -> RedisProcess:
        """By Sentinel's word."""
        _, port = self.ask("SENTINEL GET-MASTER-ADDR-BY-NAME", "shop")
        return next(one for one in self.servers if one.port == int(port))

    def replicates(self) -> bool:
        """Whether the other server has all that the master has, and Sentinel knows of it."""
        (replica,) = [one for one in self.servers if one is not self.master]
        with self.master.client() as client, replica.client() as other:
            told, heard = client.info("replication"), other.info("replication")
            with self.sentinel.client() as sentinel:
                known = sentinel.sentinel_slaves("shop")
            return (
                told["connected_slaves"] == 1
                and heard["master_link_status"] == "up"
                and told["master_repl_offset"] == heard["slave_repl_offset"]
                and [one["master-link-status"] for one in known] == ["ok"]
            )

    def kill(self) -> None:
        for process in self.running:
            process.kill()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    watched = Watched(tmp_path_factory.mktemp("watched"))
    try:
        watched.ask(*QUICKLY)
        yield watched
    finally:
        watched.kill()


async def keep_asking(catalog, answered, refused):
    """Search and write, whatever comes of it; by the number of the attempt."""
    for number in itertools.count():
        try:
            await catalog.put("traffic", [garment(f"t{number}")])
            assert await found(catalog, garment("g1")) != []
            answered.append(number)
        except StoreError:
            refused.append(number)
        await asyncio.sleep(0.01)


async def come_back(catalog, watched, end):
    """Keep asking until there is another master, and it has answered for a while."""
    before, answered, refused = watched.master, [], []
    traffic = asyncio.create_task(keep_asking(catalog, answered, refused))
    await until(lambda: len(answered) > 3 or traffic.done())
    end()
    await until(lambda: (refused and watched.master is not before) or traffic.done())
    first = len(answered)
    await until(lambda: len(answered) > first + 5 or traffic.done())
    assert not traffic.done()
    traffic.cancel()
    await asyncio.gather(traffic, return_exceptions=True)
    await until_it_answers(catalog)
    stored = {record.id for record in await catalog.list("traffic", None, 10**6)}
    # What was answered before, the former master may have kept to itself.
    assert {f"t{number}" for number in answered if number > max(refused)} <= stored
    with watched.master.client() as client:
        assert client.info("keyspace")["db2"]["keys"] > 0


def record(id):
    document = {"created_at": "2024-05-05T05:05:05Z"}
    sha256 = hashlib.sha256(id.encode()).hexdigest()
    return EvidenceRecord(id, sha256, document, Pictures(b"a", b"b", b"1", b"2"))


async def until_it_is_kept(evidence, one):
    async with asyncio.timeout(30):
        while True:
            try:
                return await evidence.add(one)
            except StoreError:
                await asyncio.sleep(0.05)


async def assert_all_there(catalog, garments):
    for one in garments:
        assert_same(await catalog.get("shop", one.id), one)
    found = await catalog.search("shop", like(garment("x"), limit=50))
    assert found.total == len(garments)


async def test_searches_and_writes_come_back_after_each_failover(watched: Watched):
    garments = [garment(f"g{number}", image=b"jpeg") for number in range(20)]
    async with opened_redis(watched.url, partitions=2) as catalog:
        await catalog.put("shop", garments)
        await until(watched.replicates)
        former = watched.master
        evidence = RedisEvidence(watched.url)
        await evidence.add(record("before"))
        watched.ask("SENTINEL", "DEBUG", "PUBLISH-PERIOD", str(MASTER_STAYS_MS))
        await come_back(catalog, watched, lambda: watched.ask("SENTINEL FAILOVER", "shop"))
        await until_it_is_kept(evidence, record("after"))
        await evidence.close()
        with watched.master.client() as client:
            client.select(2)
            assert client.exists("{lapel:evidence}:one:after")
        with former.client() as client:  # it would have taken writes and forgotten them
            assert client.role()[0] == b"master"
        await assert_all_there(catalog, garments)
        watched.ask("SENTINEL", "DEBUG", "PUBLISH-PERIOD", "50")
        await until(watched.replicates)
        await come_back(catalog, watched, watched.master.kill)
        assert watched.master is former
        await assert_all_there(catalog, garments)


async def test_catalog_goes_on_without_sentinel_while_there_is_a_master(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commits, "QUIET_S", 0.05)
    async with opened_redis(watched.url) as catalog:
        watched.sentinel.freeze()
        try:
            for number in range(40):
                await catalog.put("alone", [garment(str(number))])
                await asyncio.sleep(0.05)
        finally:
            watched.sentinel.thaw()
        assert (await catalog.catalogs())["alone"] == 40


async def test_master_that_sentinel_does_not_know_is_said(watched: Watched):
    with pytest.raises(StoreError, match="no master 'nobody': Sentinel knows of none"):
        async with opened_redis(watched.url.replace("shop", "nobody")):
            pass


async def test_way_to_sentinel_is_encrypted_and_its_certificate_looked_at(
    watched: Watched, tmp_path: Path
):
    certificates = Certificates.made(tmp_path / "certificates")
    stranger = Certificates.made(tmp_path / "stranger")
    async with forwarding(watched.sentinel.socket, certificates) as port:
        for file, said in (
            (stranger.file, "certificate verify failed"),
            (certificates.file, "no master 'nobody': Sentinel knows of none"),
        ):
            with pytest.raises(StoreError, match=said):
                async with opened_redis(
                    f"rediss+sentinel://127.0.0.1:{port}/nobody?ssl_ca_certs={file}"
                ):
                    pass
