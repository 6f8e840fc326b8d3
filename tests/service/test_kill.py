"""A server that is killed in the middle of a bulk upload loses nothing that it acknowledged."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conftest import Server

GARMENTS = 2_000
DISTINCT_IMAGES = 24
KILL_AFTER = 700
"""Lines acknowledged when the server is killed."""


def lines(images: list[bytes]) -> Iterator[bytes]:
    encoded = [base64.b64encode(image).decode() for image in images]
    for number in range(GARMENTS):
        document = {
            "id": f"garment-{number:04}",
            "image": {"base64": encoded[number % len(encoded)]},
            "metadata": {"place": number, "text": "x" * (number % 50)},
        }
        yield json.dumps(document).encode() + b"\n"


class Upload:
    """A bulk upload that sends from one thread while the caller reads the answers."""

    def __init__(self, port: int, body: Iterator[bytes]) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._sender = threading.Thread(target=self._send, args=(body,))
        self._sender.start()

    def _send(self, body: Iterator[bytes]) -> None:
        try:
            self._connection.sendall(
                b"POST /v1/garments/bulk HTTP/1.1\r\nHost: lapel\r\nConnection: close\r\n"
                b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for line in body:
                self._connection.sendall(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self._connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # the server was killed, as it should be

    def acknowledged(self) -> Iterator[dict[str, object]]:
        """Each answer line, once it has wholly arrived, until the connection ends."""
        received = b""
        while True:
            try:
                chunk = self._connection.recv(1 << 16)
            except OSError:
                break
            if not chunk:
                break
            *whole, received = (received + chunk).split(b"\n")
            # Chunk sizes and headers stand on lines of their own.
            yield from (json.loads(line) for line in whole if line.startswith(b"{"))
        self._sender.join()
        self._connection.close()


def stored(server: Server) -> dict[str, dict[str, object]]:
    garments: dict[str, dict[str, object]] = {}
    cursor: str | None = None
    with httpx.Client(base_url=server.url) as client:
        while True:
            params: dict[str, str | int] = {"limit": 500} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/garments", params=params).json()
            garments |= {garment["id"]: garment for garment in page["garments"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return garments


@pytest.mark.slow
def test_a_killed_server_keeps_every_acknowledged_garment_and_no_half_one(
    start_server: Callable[..., Server], photo: Callable[[int], bytes]
):
    images = [photo(number) for number in range(DISTINCT_IMAGES)]
    first = start_server()
    acknowledged = []
    for answer in Upload(first.port, lines(images)).acknowledged():
        assert answer["status"] == "created"
        acknowledged.append(answer["id"])
        if len(acknowledged) == KILL_AFTER:
            first.kill()
    assert KILL_AFTER <= len(acknowledged) < GARMENTS

    second = start_server()
    kept = stored(second)
    assert set(acknowledged) <= kept.keys()
    sent = {garment["id"]: garment for garment in map(json.loads, lines(images))}
    with httpx.Client(base_url=second.url) as client:
        for garment_id, garment in kept.items():
            assert garment["metadata"] == sent[garment_id]["metadata"]
        for garment_id in list(kept)[:: len(kept) // 40]:
            image = client.get(f"/v1/garments/{garment_id}/image").content
            assert image == base64.b64decode(sent[garment_id]["image"]["base64"])
        found = client.post("/v1/search", json={"query": {"values": {"collar": "shirt"}}}).json()
        assert found["total"] == len(kept)

    again = list(Upload(second.port, lines(images)).acknowledged())
    assert [answer["status"] for answer in again].count("replaced") == len(kept)
    assert stored(second).keys() == sent.keys()
