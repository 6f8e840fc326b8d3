"""Images per second through HTTP, against the network alone.

The baseline is ONNX Runtime in a bare loop on tensors that are ready, at the batch size and the
thread setting it likes best: one loop on all cores, or a loop per core. All else that an upload
needs (HTTP, decoding, resizing, hashing, batching, JSON, and the client's own work) comes out of
the same cores.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bench.client import keep_asking, post_form
from bench.pictures import DISTINCT, SIDE_PIXELS, jpeg, pictures
from bench.report import Goal, Report
from bench.runtime import open_session
from bench.server import SERVICE, Server, running
from bench.timing import Progress, Rounds, interleaved, per_second
from model.encoder import SHIPPED_MODEL, Encoder, available_cpus

GOAL = 0.7
CLIENTS = 16
BATCHES = (1, 2, 4, 8, 16, 32)
BARE = "bare"
UPLOADS = {
    "POST /v1/embeddings, an image each": ("/v1/embeddings", ("image",)),
    "POST /v1/compare, two images each": ("/v1/compare", ("image_a", "image_b")),
}


def measure(progress: Progress, *, quick: bool) -> Report:
    """Compare uploads with the bare loop."""
    seconds = 1.0 if quick else 5.0
    progress("looking for the bare loop's best setting")
    bare = _best_bare_loop(0.2 if quick else 1.0)
    images = pictures()
    with running(SERVICE) as server:

        def bare_score() -> float:
            with server.paused():
                return bare.images_per_second(seconds)

        contenders: dict[str, Callable[[], float]] = {BARE: bare_score}
        for label, (path, fields) in UPLOADS.items():
            requests = _requests(path, fields, images)
            contenders[label] = _uploading(server, requests, len(fields), seconds)
        rounds = interleaved(contenders, 2 if quick else 7, progress)
    return _report(rounds, bare)


def _report(rounds: Rounds, bare: "_BareLoop") -> Report:
    rows = [(f"ONNX Runtime alone, {bare}", f"{rounds.median(BARE):.1f}", "1")]
    rows += [
        (label, f"{rounds.median(label):.1f}", str(rounds.ratio(label, BARE))) for label in UPLOADS
    ]
    image_kb = sum(len(jpeg(number)) for number in range(DISTINCT)) / DISTINCT / 1e3
    return Report(
        name="upload",
        title="Uploads through HTTP",
        method=f"{CLIENTS} clients upload JPEGs that were never seen before ({SIDE_PIXELS} px, "
        f"{image_kb:.0f} KB) as forms; the service at its default settings, client and service on "
        "the same cores. In turn with it, the service held still, the network alone in a loop on "
        "tensors that are ready, at the setting it likes best.",
        columns=("what", "images/s", "of the network alone"),
        rows=rows,
        goals=[Goal(label, GOAL, rounds.ratio(label, BARE).median) for label in UPLOADS],
    )


@dataclass(frozen=True)
class _BareLoop:
    """ONNX Runtime on one tensor (B, 3, S, S), over and over, in so many loops at a time."""

    session: ort.InferenceSession
    images: NDArray[np.float32]
    loops: int
    threads: str

    def __str__(self) -> str:
        return f"batches of {len(self.images)}, {self.threads}"

    def images_per_second(self, seconds: float) -> float:
        """What it can do, measured for so long."""
        with ThreadPoolExecutor(self.loops) as threads:
            rates = threads.map(lambda _: per_second(self._run, seconds), range(self.loops))
            return len(self.images) * sum(rates)

    def _run(self) -> None:
        self.session.run(None, {"images": self.images})


def _best_bare_loop(seconds: float) -> _BareLoop:
    """The fastest of all batch sizes and ways to use the cores."""
    side = Encoder.load(SHIPPED_MODEL).card.preprocessing.input_size
    rng = np.random.default_rng(0)
    model, cores = SHIPPED_MODEL.read_bytes(), available_cpus()
    ways = [
        (open_session(model), 1, "threads spin"),
        (open_session(model, spinning=False), 1, "threads sleep"),
    ]
    if cores > 1:
        ways.append((open_session(model, threads=1), cores, "a loop per core"))
    loops = [
        _BareLoop(
            session, rng.standard_normal((batch, 3, side, side), dtype=np.float32), count, way
        )
        for session, count, way in ways
        for batch in BATCHES
    ]
    for loop in loops:
        loop.images_per_second(0.0)
    return max(loops, key=lambda loop: loop.images_per_second(seconds))


def _requests(path: str, names: tuple[str, ...], images: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        files = itertools.islice(images, len(names))
        yield post_form(path, list(zip(names, files, strict=True)))


def _uploading(
    server: Server, requests: Iterator[bytes], images_each: int, seconds: float
) -> Callable[[], float]:
    def score() -> float:
        load = keep_asking(
            server.port, requests, connections=CLIENTS, seconds=seconds, warm_up_s=seconds / 5
        )
        return images_each * load.per_second

    return score
