"""A web server on this machine that answers as badly as a test wants, and names that lead to it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes an answer by itself; the connection is closed after it."""


@dataclass
class Loopback:
    """The running server.

    Attributes:
        requests: the head of every request, in order.
        connections: how many were opened.
        named: the names asked for in TLS, where a test notes them.
    """

    answers: dict[str, bytes | Script]
    port: int = 0
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    named: list[str | None] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.requests.append(head)
        answer = self.answers.get(head.split(" ")[1], b"HTTP/1.1 404 Not Found\r\n\r\n")
        if not isinstance(answer, bytes):
            await answer(writer)
            return False
        writer.write(answer.replace(b"{port}", str(self.port).encode()))
        await writer.drain()
        return b"content-length" in answer.lower() and b"connection: close" not in answer.lower()


@contextlib.asynccontextmanager
async def serving(
    answers: dict[str, bytes | Script], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Loopback]:
    """A server with these answers by path; ``{port}`` in one stands for the server's own."""
    loopback = Loopback(answers)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(loopback.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    loopback.port = server.sockets[0].getsockname()[1]
    try:
        yield loopback
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports let go of their sockets in the loop's next turn


def ok(body: bytes, *headers: str) -> bytes:
    """A whole, honest answer."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, *headers: str, status: int = 302) -> bytes:
    """An answer that sends the client on."""
    lines = [f"HTTP/1.1 {status} Found", f"Location: {location}", "Content-Length: 0", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Names:
    """A resolver: each name has answers for one look-up after another, the last for all later."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        answers = self._answers.get(name.split(".")[0])
        if answers is None:
            raise OSError(f"no such name: {name}")
        return answers[min(self.asked.count(name), len(answers)) - 1]

    def close(self) -> None:
        """As the system's resolver has it."""
