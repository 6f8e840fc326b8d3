"""The real service, and beside it an empty one, each in a process of its own.

A process can be stopped while something else is measured: it then takes no time at all, where an
idle one would still take a little.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

START_TIMEOUT_S = 60.0
POLL_S = 0.05
SERVICE = ("service.cli.main", "serve")
EMPTY_SERVICE = ("bench.empty",)
_ADDRESS = re.compile(r"(?:answers at|running on) http://\S+:(\d+)")


class Server:
    """A running server."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the process still."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running(module: Sequence[str], **settings: object) -> Iterator[Server]:
    """Run ``python -m *module`` on a free port until the block is left.

    Its log goes to a file: writing it is part of what a request costs.

    Args:
        module: and its arguments; serves, and says where. `SERVICE` or `EMPTY_SERVICE`.
        settings: of the service, on top of its defaults.
    """
    with tempfile.TemporaryDirectory(prefix="lapel-bench-") as folder:
        log = Path(folder) / "log"
        values = {"port": 0, "store": Path(folder) / "store", **settings}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LAPEL_")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=inherited | {f"LAPEL_{name.upper()}": str(v) for name, v in values.items()},
                stdout=output,
                stderr=output,
            )
        try:
            yield Server(process, _port(process, log))
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()


def stop_on_terminate() -> None:
    """Leave through every `finally` when told to stop, so that no server is left behind."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        if found := _ADDRESS.search(log.read_text(encoding="utf-8", errors="replace")):
            return int(found[1])
        time.sleep(POLL_S)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")
