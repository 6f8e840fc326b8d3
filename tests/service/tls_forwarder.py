"""A port that takes TLS off, and passes on to a Redis: the wheel's own is built without."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import trustme

PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Certificates:
    """An authority that nobody knows, and whom it has signed for.

    Attributes:
        file: the authority's certificate.
        server: for whoever answers at 127.0.0.1.
    """

    file: Path
    server: ssl.SSLContext

    @classmethod
    def made(cls, folder: Path, *names: str) -> "Certificates":
        folder.mkdir(exist_ok=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(server)
        return cls(folder / "ca.pem", server)


@contextlib.asynccontextmanager
async def forwarding(
    socket: Path, certificates: Certificates, *, port: int = 0
) -> AsyncIterator[int]:
    """Answer at a port of this machine for the Redis behind a unix socket; which port."""
    going: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_unix_connection(socket)
        try:
            await asyncio.gather(pass_on(reader, to_redis), pass_on(from_redis, writer))
        finally:
            for one in (to_redis, writer):
                one.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        going.add(task)
        task.add_done_callback(going.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=certificates.server)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports let go of their sockets in the next turn
