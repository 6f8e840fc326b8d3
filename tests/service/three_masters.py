"""A real Redis Cluster of three masters, on ports of this machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot
from redis_process import START_TIMEOUT_S, RedisProcess, free_port

SLOTS = 16384
MOVED_TOGETHER = 10
"""Keys that leave a node at once; other clients come between."""


class ThreeMasters:
    """Started by constructing it; each holds a third of the slots, and writes what it is told
    to its append-only file before it answers."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[RedisProcess] = []
        try:
            for number in range(3):
                # The nodes' own port is otherwise 10,000 higher, which may be none.
                bus = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
                kept = ("--appendonly", "yes")
                self.nodes.append(RedisProcess(folder / str(number), *bus, *kept, port=free_port()))
            self._join()
        except BaseException:
            self.kill()
            raise
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{n.port}" for n in self.nodes)

    def _join(self) -> None:
        for number, node in enumerate(self.nodes):
            first, behind = SLOTS * number // 3, SLOTS * (number + 1) // 3
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
                bus = client.config_get("cluster-port")["cluster-port"]
                for other in self.nodes[:number]:
                    with other.client() as another:
                        another.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Until every node knows of the two others, and that every slot is served."""
        deadline = time.monotonic() + START_TIMEOUT_S
        for node in self.nodes:
            with node.client() as client:
                while not _is_whole(client):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)

    def configure(self, name: str, value: object) -> None:
        """Set an option of every node."""
        for node in self.nodes:
            with node.client() as client:
                client.config_set(name, value)

    def node_of(self, key: str) -> RedisProcess:
        """Who holds a key."""
        with self.nodes[0].client() as client:
            for first, last, (_, port, *_), *_ in client.execute_command("CLUSTER", "SLOTS"):
                if first <= key_slot(key.encode()) <= last:
                    return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody holds {key}")

    def move(self, key: str, target: RedisProcess, *, between: Callable[[], Any]) -> None:
        """Move a key's slot to another node as redis-cli does, `between` any two steps."""
        slot, source = key_slot(key.encode()), self.node_of(key)
        with source.client() as here, target.client() as there:
            of_source, of_target = (one.execute_command("CLUSTER", "MYID") for one in (here, there))
            there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", of_source)
            here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", of_target)
            between()
            list_keys = ("CLUSTER", "GETKEYSINSLOT", slot, MOVED_TOGETHER)
            while keys := here.execute_command(*list_keys):
                place = ("127.0.0.1", target.port, "", 0, 5000, "KEYS")
                here.execute_command("MIGRATE", *place, *keys)
                between()
            others = [node for node in self.nodes if node not in (source, target)]
            for node in (target, source, *others):
                with node.client() as client:
                    client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", of_target)
                between()

    def flush(self) -> None:
        """Empty every node."""
        for node in self.nodes:
            with node.client() as client:
                client.flushall()

    def holds(self, part: bytes) -> bool:
        """Whether these bytes lie anywhere in their keys."""
        return any(node.holds(part) for node in self.nodes)

    def kill(self) -> None:
        """End all of them."""
        for node in self.nodes:
            node.thaw()
            node.kill()


def _is_whole(client: redis.Redis) -> bool:
    slots = client.execute_command("CLUSTER", "SLOTS")
    served = sum(last - first + 1 for first, last, *_ in slots)
    info = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and served == SLOTS
