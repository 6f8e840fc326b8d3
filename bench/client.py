"""A client that costs the service's cores as little as it can.

It shares those cores, so whatever it spends is missing from the figures. Requests are bytes made
beforehand, one thread waits for all connections at once, and of an answer it reads no more than
the status and where it ends.
"""

import io
import json
import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

RECEIVE_BYTES = 1 << 18
PATIENCE_S = 60.0
BOUNDARY = "lapel-bench-boundary"


class UnexpectedAnswer(RuntimeError):  # noqa: N818  -- named for what came
    """The service answered with another status than expected, or not at all."""


@dataclass(frozen=True)
class Load:
    """What was answered in a stretch of steady load."""

    answers: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


def get(path: str) -> bytes:
    """A GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def post_json(path: str, document: object) -> bytes:
    """A POST request with a JSON body."""
    return post(path, "application/json", json.dumps(document).encode())


def post_form(path: str, parts: Sequence[tuple[str, bytes]]) -> bytes:
    """A POST request with a form: (name, content) per part; JPEGs become files."""
    body = io.BytesIO()
    for name, content in parts:
        is_file = content.startswith(b"\xff\xd8")
        described = '; filename="photo.jpg"\r\nContent-Type: image/jpeg' if is_file else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{described}\r\n\r\n'
        body.write(head.encode() + content + b"\r\n")
    body.write(f"--{BOUNDARY}--\r\n".encode())
    return post(path, f"multipart/form-data; boundary={BOUNDARY}", body.getvalue())


def post(path: str, content_type: str, body: bytes) -> bytes:
    """A POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask(port: int, request: bytes, *, status: int = 200) -> bytes:
    """Send one request on a connection of its own; the answer's body.

    Raises:
        UnexpectedAnswer: when it has another status.
    """
    connection = _Connection(port, b"%d" % status)
    try:
        connection.send(request)
        while not connection.receive():
            pass
        return connection.body
    finally:
        connection.close()


def keep_asking(
    port: int, requests: Iterable[bytes], *, connections: int, seconds: float, warm_up_s: float
) -> Load:
    """Keep so many requests under way all the time, and count the answers.

    Args:
        port: on this machine.
        requests: endless; each connection takes the next when it has its answer.
        connections: kept alive throughout.
        seconds: how long answers are counted, from `warm_up_s` after the first request on.
        warm_up_s: load before counting, so that queues are as full as they will be.

    Raises:
        UnexpectedAnswer: when any answer is not a 200.
    """
    coming = iter(requests)
    with selectors.DefaultSelector() as selector:
        clients = [_Connection(port) for _ in range(connections)]
        try:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
                client.send(next(coming))
            _count(selector, coming, warm_up_s)
            return _count(selector, coming, seconds)
        finally:
            for client in clients:
                client.close()


def _count(selector: selectors.BaseSelector, coming: Iterator[bytes], seconds: float) -> Load:
    answers = 0
    begun = time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        ready = selector.select(PATIENCE_S)
        if not ready:
            raise UnexpectedAnswer(f"no answer in {PATIENCE_S:g} s")
        for key, _ in ready:
            client: _Connection = key.data
            if client.receive():
                answers += 1
                client.send(next(coming))
    return Load(answers, passed)


class _Connection:
    """One keep-alive connection, with at most one request under way."""

    def __init__(self, port: int, expected: bytes = b"200") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expected = expected
        self._received = b""
        self._end = 0
        self._body_at = 0

    @property
    def body(self) -> bytes:
        return self._received[self._body_at : self._end]

    def send(self, request: bytes) -> None:
        self._received, self._end = b"", 0
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what is there; whether the answer is complete."""
        chunk = self.socket.recv(RECEIVE_BYTES)
        if not chunk:
            raise UnexpectedAnswer("the service closed the connection")
        self._received += chunk
        if not self._end:
            self._find_end()
        return 0 < self._end <= len(self._received)

    def _find_end(self) -> None:
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._received[:head_end].lower()
        if head[9:12] != self._expected:
            raise UnexpectedAnswer(self._received[:1000].decode(errors="replace"))
        _, _, length = head.partition(b"content-length:")
        self._body_at = head_end + 4
        self._end = self._body_at + int(length.split(b"\r\n", 1)[0])

    def close(self) -> None:
        self.socket.close()
