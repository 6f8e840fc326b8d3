"""Images per second through HTTP, against the network alone.

The baseline is ONNX Runtime in a bare loop on tensors that are ready, at the batch size and the
thread setting it likes best. All else that an upload needs (HTTP, decoding, resizing, hashing,
batching, JSON, and the client's own work) comes out of the same cores.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from bench.client import keep_asking, post_form
from bench.pictures import pictures
from bench.report import Goal, Report
from bench.runtime import open_session
from bench.server import Server, running
from bench.timing import Progress, interleaved, per_second
from model.encoder import SHIPPED_MODEL, Encoder

GOAL = 0.7
CLIENTS = 16
BATCHES = (1, 2, 4, 8, 16, 32)


def measure(progress: Progress, *, quick: bool) -> Report:
    """Compare uploads with the bare loop."""
    seconds = 1.0 if quick else 5.0
    progress("looking for the bare loop's best batch size")
    setting, raw = _best_raw_loop(0.2 if quick else 1.0)
    uploads = pictures()
    one = _requests("/v1/embeddings", ("image",), uploads)
    two = _requests("/v1/compare", ("image_a", "image_b"), uploads)
    size_kb = len(next(one)) / 1e3
    with running("service.app") as server:

        def bare() -> float:
            with server.paused():
                return raw(seconds)

        rounds = interleaved(
            {
                "bare": bare,
                "embeddings": lambda: _answered(server, one, seconds),
                "compare": lambda: 2 * _answered(server, two, seconds),
            },
            rounds=2 if quick else 7,
            progress=progress,
        )
    rows = [
        (label, f"{rounds.median(name):.1f}", str(rounds.ratio(name, "bare")))
        for name, label in {
            "bare": f"ONNX Runtime alone, {setting}",
            "embeddings": "POST /v1/embeddings, an image each",
            "compare": "POST /v1/compare, two images each",
        }.items()
    ]
    return Report(
        name="upload",
        title="Uploads through HTTP",
        method=f"{CLIENTS} clients upload JPEGs that were never seen before ({size_kb:.0f} KB, "
        "400 px) as forms; the service at its default settings, client and service on the same "
        "cores. Beside it, in turn and with the service held still, the network alone in a loop "
        "on ready tensors.",
        columns=("what", "images/s", "of the network alone"),
        rows=rows,
        goals=[
            Goal(f"{name}, of the network alone", GOAL, rounds.ratio(name, "bare").median)
            for name in ("embeddings", "compare")
        ],
    )


def _best_raw_loop(seconds: float) -> tuple[str, Callable[[float], float]]:
    """The fastest of all batch sizes, with and without spinning threads; images per second."""
    side = Encoder.load(SHIPPED_MODEL).card.preprocessing.input_size
    rng = np.random.default_rng(0)
    loops: dict[str, Callable[[float], float]] = {}
    for spinning in (True, False):
        session = open_session(SHIPPED_MODEL.read_bytes(), spinning=spinning)
        for batch in BATCHES:
            images = rng.standard_normal((batch, 3, side, side), dtype=np.float32)

            def loop(seconds: float, session=session, images=images) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
                run = lambda: session.run(None, {"images": images})  # noqa: E731
                return len(images) * per_second(run, seconds)

            loops[f"batches of {batch}, threads {'spinning' if spinning else 'sleeping'}"] = loop
    for loop in loops.values():
        loop(0.0)
    best = max(loops, key=lambda name: loops[name](seconds))
    return best, loops[best]


def _requests(path: str, names: tuple[str, ...], images: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        files = itertools.islice(images, len(names))
        yield post_form(path, list(zip(names, files, strict=True)))


def _answered(server: Server, requests: Iterator[bytes], seconds: float) -> float:
    load = keep_asking(
        server.port, requests, connections=CLIENTS, seconds=seconds, warm_up_s=seconds / 5
    )
    return load.per_second
