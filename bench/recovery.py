"""``python -m bench.recovery``: two services before one Redis, and what killing costs.

Redis holds many garments. Two services are searched and written to, and one of them imports a
feed. That one is killed amid the import and started again; then Redis is. Nothing that was
acknowledged may be missing afterwards, the import has to end by itself, and nothing but what was
killed is started again. The exit status is 1 if anything is missing.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lapel_client import LapelClient, LapelError
from lapel_client.answers import ImportAnswer
from rich.console import Console

from bench import report
from bench.feed_server import FeedServer
from bench.filled_redis import CATALOG as GARMENTS
from bench.filled_redis import FilledRedis, id_of
from bench.server import SERVICE, Server, running, stop_on_terminate
from bench.traffic import Kind, Traffic, searches

FEED = "feed"
"""The catalog of the import."""
PER_SECOND: dict[Kind, float] = {"search": 1.0, "write": 4.0}
QUIET_S = 3.0
"""Traffic before the first kill and after the last recovery."""
DEAD_S = 1.0
"""How long what was killed stays dead: what a supervisor takes to notice."""
SEARCHES = 10
PATIENCE_S = 240.0
POLL_S = 0.1


def main() -> None:
    """Fill, load, kill, and look for what is missing."""
    arguments = _arguments()
    stop_on_terminate()
    console = Console(width=120)
    console.print(report.circumstances(quick=False), highlight=False)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lapel-recovery-")))
        redis = stack.enter_context(FilledRedis(arguments.redis or folder))
        drill = _Drill(redis, folder, arguments.products, console)
        with console.status("filling Redis"):
            taken_s = redis.fill(arguments.garments)
        drill.note(f"filled up to {arguments.garments:,} garments", f"{taken_s:.0f} s")
        lost = drill.run(arguments.garments)
    sys.exit(1 if lost else 0)


class _Drill:
    """One run; `note` tells what was seen."""

    def __init__(self, redis: FilledRedis, folder: Path, products: int, console: Console) -> None:
        self._redis, self._folder, self._products = redis, folder, products
        self._console = console

    def note(self, what: str, measured: str) -> None:
        """A line of the table."""
        self._console.print(f"| {what} | {measured} |", highlight=False, soft_wrap=True)

    def run(self, garments: int) -> int:
        """Carry it out; how many acknowledged things are missing."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(FeedServer())
            services = [stack.enter_context(self._service(name)) for name in "ab"]
            urls = [f"http://127.0.0.1:{service.port}" for service in services]
            one, other = (
                stack.enter_context(LapelClient(url, timeout_s=PATIENCE_S)) for url in urls
            )
            ask = searches([id_of(n) for n in range(0, garments, garments // SEARCHES)], GARMENTS)
            before = [ask(other, turn) for turn in range(SEARCHES)]
            traffic = Traffic(urls, server.pictures, ask, PER_SECOND)
            with traffic.flowing():
                time.sleep(QUIET_S)
                job = one.post_import(server.feed(self._products), catalog=FEED).id
                self._kill_service(services[0], stack, traffic, one, job)
                self._kill_redis(traffic, one, job)
                ended = _import_until(one, job, lambda job: job.state not in ("waiting", "running"))
                time.sleep(QUIET_S)
            same = sum(ask(other, turn) == before[turn] for turn in range(SEARCHES))
            self.note("searches that answer as before", f"{same} of {SEARCHES}")
            self._note_import(ended, server)
            return self._missing(traffic, other, garments)

    def _service(self, name: str, port: int = 0) -> contextlib.AbstractContextManager[Server]:
        return running(
            SERVICE,
            port=port,
            store=self._redis.url,
            imports_folder=self._folder / name,
            image_urls="on",
            image_url_loopback="true",
        )

    def _kill_service(
        self,
        service: Server,
        stack: contextlib.ExitStack,
        traffic: Traffic,
        lapel: LapelClient,
        job: str,
    ) -> None:
        seen = _import_until(lapel, job, lambda job: _stored(job) >= self._products * 0.3)
        killed = time.monotonic()
        service.process.kill()
        service.process.wait()
        time.sleep(DEAD_S)
        stack.enter_context(self._service("a", service.port))
        back = _until_back(traffic, 0, "search", killed)
        _import_until(lapel, job, lambda job: _stored(job) > _stored(seen))
        going = time.monotonic()
        self.note(
            f"service killed at {_stored(seen):,} of {self._products:,} products",
            f"searched again after {back - killed:.1f} s ({DEAD_S:g} s left dead), "
            f"import goes on after {going - killed:.1f} s",
        )
        others = [r for k in PER_SECOND for r in traffic.of(1, k) if killed <= r.at <= back]
        failed = sum(request.failure is not None for request in others)
        self.note("the other service meanwhile", f"{len(others)} requests, {failed} failed")

    def _kill_redis(self, traffic: Traffic, lapel: LapelClient, job: str) -> None:
        seen = _import_until(lapel, job, lambda job: _stored(job) >= self._products * 0.6)
        killed = time.monotonic()
        self._redis.kill()
        time.sleep(DEAD_S)
        started = time.monotonic()
        self._redis.start()
        ready = time.monotonic()
        self.note(
            f"Redis killed at {_stored(seen):,} products",
            f"has read its file {ready - started:.1f} s after its start",
        )
        for kind in PER_SECOND:
            times = [_until_back(traffic, service, kind, ready) - ready for service in (0, 1)]
            told = " and ".join(f"{time_s:.2f}" for time_s in times)
            self.note(f"first {kind} answered by each service", f"{told} s after that")
        _import_until(lapel, job, lambda job: _stored(job) > _stored(seen))
        self.note("import goes on", f"{time.monotonic() - ready:.1f} s after that")
        failed = [r for r in traffic.all() if killed <= r.at <= ready and r.failure is not None]
        told = ", ".join(f"{n} {code}" for code, n in Counter(r.failure for r in failed).items())
        polite = sum(request.says_when for request in failed)
        slowest = max((request.took_s for request in failed), default=0.0)
        self.note(
            "refused while Redis was away",
            f"{told}; {polite} with Retry-After; slowest after {slowest * 1e3:.0f} ms",
        )

    def _note_import(self, job: ImportAnswer, server: FeedServer) -> None:
        counts = job.counts.model_dump().items()
        told = ", ".join(f"{count:,} {name}" for name, count in counts if count)
        again = sum(count > 1 for count in server.asked.values())
        self.note("import", f"{job.state}: {told}; {again:,} pictures fetched twice")

    def _missing(self, traffic: Traffic, lapel: LapelClient, garments: int) -> int:
        there = {one.name: one.garments for one in lapel.catalogs().catalogs}[GARMENTS]
        prices = {one.id: one.metadata.get("price") for one in lapel.garments(catalog=FEED)}
        products = sum(prices.get(f"p{n}") != n for n in range(1, self._products + 1))
        writes = traffic.lost(lapel)
        failed = sum(r.kind == "write" and r.failure is not None for r in traffic.all())
        self.note("garments of before", f"{there:,}; lost: {garments - there}")
        self.note("products of the feed", f"{self._products:,}; lost: {products}")
        self.note(
            "other writes",
            f"{traffic.acknowledgements:,} acknowledged, {failed} refused; lost: {len(writes)}",
        )
        return garments - there + products + len(writes)


def _stored(job: ImportAnswer) -> int:
    counts = job.counts
    return counts.created + counts.replaced + counts.updated + counts.unchanged


def _import_until(
    lapel: LapelClient, id: str, reached: Callable[[ImportAnswer], bool]
) -> ImportAnswer:
    """Look at an import, also where nobody answers for a while, until it is so far."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(LapelError):
            job = lapel.get_import(id)
            if reached(job):
                return job
        time.sleep(POLL_S)
    raise TimeoutError(f"the import did not come so far within {PATIENCE_S:.0f} s")


def _until_back(traffic: Traffic, service: int, kind: Kind, since: float) -> float:
    """When the first request sent after `since` was answered as it should be."""
    while (found := traffic.first_success(service, kind, since)) is None:
        if time.monotonic() > since + PATIENCE_S:
            raise TimeoutError(f"no {kind} was answered within {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--garments", type=int, default=100_000, help="100000 unless given")
    parser.add_argument(
        "--products", type=int, default=1_000, help="of the feed; 1000 unless given"
    )
    parser.add_argument(
        "--redis",
        type=Path,
        metavar="FOLDER",
        help="keep the files of Redis there, and go on with those that are there",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
