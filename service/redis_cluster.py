"""A Redis Cluster, as far as commands need one whose keys share a hash tag.

redis-py's own cluster client is not used. It follows ASK with scripts too, which would find those
keys that have been moved already and take the others for missing; it sends ASKING and the command
on two connections; it tries a write again that may have been done; and the loss of one node closes
the connections to all.
"""

import asyncio
import dataclasses
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

REDIRECTIONS = 5
SCRIPT = "EVAL"
KEYLESS = frozenset({"COMMAND"})
"""Commands that any node may answer."""

Address = tuple[str, int]
"""Host and port."""
Command = Sequence[Any]


class SlotMoves(RedisError):  # noqa: N818  -- named for what is the matter
    """A script's keys are on their way to another node; it was not run."""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """Where the command at some place among those sent together goes next."""

    place: int
    command: Command
    address: Address
    asking: bool = False


class Cluster:
    """Sends commands to the masters; must be closed.

    Which of them serves a slot is learnt from the first that answers, corrected by whoever says
    MOVED, and learnt anew after one has failed.
    """

    def __init__(self, places: Sequence[Address], connect: Callable[[Address], Any]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            places: some of the nodes.
            connect: a client of redis-py for a node.
        """
        self._places, self._connect = places, connect
        self._clients: dict[Address, Any] = {}
        self._owners: dict[int, Address] = {}
        self._learning = asyncio.Lock()

    async def execute_command(self, *command: Any) -> Any:
        """One command; see `together`."""
        (answer,) = await self.together([command])
        return answer

    async def together(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands, those for one node at once, and wait for all.

        Raises:
            SlotMoves: the keys of a script are being moved.
            RedisError, OSError, TimeoutError: one of them could not be sent, was refused or not
                answered in time; others may have been done.
        """
        answers = await self.answers(commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        """What `together` returns, refusals being among the answers."""
        answers: list[Any] = [None] * len(commands)
        routes = [
            Route(place, command, await self._owner(command))
            for place, command in enumerate(commands)
        ]
        for _ in range(REDIRECTIONS):
            answered = zip(routes, await self._sent(routes), strict=True)
            routes = []
            for route, answer in answered:
                answers[route.place] = answer
                if isinstance(answer, AskError):
                    elsewhere = self._elsewhere(route, answer)
                    if elsewhere is None:
                        answers[route.place] = SlotMoves(f"keys are being moved: {answer}")
                    else:
                        routes.append(elsewhere)
                elif isinstance(answer, ClusterDownError):
                    self._owners = {}
            if not routes:
                break
        return answers

    async def any_node(self) -> Any:
        """A client of one of the masters."""
        return self._client(random.choice(sorted(set((await self._known()).values()))))

    async def aclose(self) -> None:
        """Close every connection."""
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(one.aclose() for one in clients.values()), return_exceptions=True)

    async def _owner(self, command: Command) -> Address:
        """Who is to answer a command."""
        owners = await self._known()
        slot = _slot(command)
        if slot is None:
            return random.choice(list(owners.values()))
        if slot not in owners:
            self._owners = {}
            raise RedisConnectionError(f"no node serves slot {slot}")
        return owners[slot]

    async def _known(self) -> dict[int, Address]:
        """Who serves which slot."""
        if not self._owners:
            async with self._learning:
                return self._owners or await self._learnt()
        return self._owners

    async def _learnt(self) -> dict[int, Address]:
        asked = [
            asyncio.create_task(self._told_by(address))
            for address in dict.fromkeys((*self._places, *self._clients))
        ]
        failed: Exception = RedisConnectionError("no node knows who serves the slots")
        try:
            for one in asyncio.as_completed(asked):
                try:
                    owners = await one
                except (RedisError, OSError, TimeoutError) as exc:
                    failed = exc
                    continue
                if owners:
                    self._owners = owners
                    return owners
            raise failed
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            await self._forget_others()

    async def _told_by(self, address: Address) -> dict[int, Address]:
        told = await self._client(address).execute_command("CLUSTER", "SLOTS")
        owners: dict[int, Address] = {}
        for first, last, (host, port, *_), *_ in told:
            # A node that does not know its own name leaves it out.
            owner = ((host or b"").decode() or address[0], int(port))
            owners |= dict.fromkeys(range(first, last + 1), owner)
        return owners

    async def _forget_others(self) -> None:
        """Let go of nodes that are no masters any more."""
        for address in set(self._clients) - set(self._owners.values()) if self._owners else ():
            await self._clients.pop(address).connection_pool.disconnect(inuse_connections=False)

    def _elsewhere(self, route: Route, answer: AskError) -> Route | None:
        """Where to go instead; None for a script whose keys are divided between two nodes."""
        address = (answer.host or route.address[0], answer.port)
        if isinstance(answer, MovedError):
            if self._owners:  # else all of them are about to be learnt anew
                self._owners[answer.slot_id] = address
        elif route.command[0] == SCRIPT:
            return None
        asking = not isinstance(answer, MovedError)
        return dataclasses.replace(route, address=address, asking=asking)

    async def _sent(self, routes: Sequence[Route]) -> list[Any]:
        by_node: dict[Address, list[Route]] = defaultdict(list)
        for route in routes:
            by_node[route.address].append(route)
        outcomes = await asyncio.gather(
            *(self._sent_to(address, some) for address, some in by_node.items()),
            return_exceptions=True,
        )
        answers: dict[int, Any] = {}
        for some, outcome in zip(by_node.values(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._owners = {}
                raise outcome
            answers |= zip((route.place for route in some), outcome, strict=True)
        return [answers[route.place] for route in routes]

    async def _sent_to(self, address: Address, routes: Sequence[Route]) -> list[Any]:
        async with self._client(address).pipeline(transaction=False) as pipeline:
            for route in routes:
                if route.asking:
                    pipeline.execute_command("ASKING")
                pipeline.execute_command(*route.command)
            answers = iter(await pipeline.execute(raise_on_error=False))
        found = []
        for route in routes:
            if route.asking:
                next(answers)
            found.append(next(answers))
        return found

    def _client(self, address: Address) -> Any:
        if address not in self._clients:
            self._clients[address] = self._connect(address)
        return self._clients[address]


def _slot(command: Command) -> int | None:
    """The slot of a command's keys."""
    if command[0] in KEYLESS:
        return None
    key = command[3 if command[0] == SCRIPT else 1]
    return key_slot(key.encode() if isinstance(key, str) else key)
