"""Comparing images that the cache knows, against a route that does nothing.

What is measured is everything around the network: HTTP, the form or the JSON, hashing, the cache,
the comparison, the answer. Baselines run in a second process with the same server options.
"""

import base64
import itertools
from collections.abc import Callable, Mapping

from bench.client import ask, get, keep_asking, post_form, post_json
from bench.pictures import jpeg
from bench.report import Goal, Report
from bench.server import EMPTY_SERVICE, SERVICE, Server, running
from bench.timing import Progress, Rounds, interleaved

GOAL = 0.5
CLIENTS = 16
GET = "empty route, GET"
EMPTY = "empty route, POST of the same "


def measure(progress: Progress, *, quick: bool) -> Report:
    """Compare every kind of body with the empty route, without and with that body."""
    bodies = _bodies()
    with running(SERVICE) as service, running(EMPTY_SERVICE) as empty:
        _fill(service)
        contenders: dict[str, Callable[[], float]] = {GET: _asking(empty, get("/"), quick)}
        for name, make in bodies.items():
            ask(service.port, make("/v1/compare"))
            contenders[name] = _asking(service, make("/v1/compare"), quick)
            contenders[EMPTY + name] = _asking(empty, make("/"), quick)
        rounds = interleaved(contenders, 2 if quick else 9, progress)
    return _report(rounds, {name: len(make("/")) for name, make in bodies.items()})


def _report(rounds: Rounds, request_bytes: Mapping[str, int]) -> Report:
    rows = [(GET, "", f"{rounds.median(GET):,.0f}", "", "")]
    goals = []
    for name, size in request_bytes.items():
        same_body, bare = rounds.ratio(name, EMPTY + name), rounds.ratio(name, GET)
        speed = f"{rounds.median(name):,.0f}"
        rows.append((name, f"{size / 1e3:.1f}", speed, str(same_body), str(bare)))
        goals.append(Goal(f"{name}, of an empty POST of the same body", GOAL, same_body.median))
        goals.append(Goal(f"{name}, of an empty GET", GOAL, bare.median))
    return Report(
        name="cached",
        title="Comparisons answered from the cache",
        method=f"{CLIENTS} clients post the same two images, which are in the cache, to "
        "/v1/compare; in turn, the same client asks a FastAPI application with an empty route, "
        "served with the same options in a process of its own. The client shares the cores.",
        columns=("request", "KB", "answers/s", "of an empty POST, same body", "of an empty GET"),
        rows=rows,
        goals=goals,
    )


def _bodies() -> dict[str, Callable[[str], bytes]]:
    a, b = jpeg(1), jpeg(2)
    form = [("image_a", a), ("image_b", b)]
    references = {"a": _inline(a), "b": _inline(b)}
    garments = {"a": {"garment_id": "garment-1"}, "b": {"garment_id": "garment-2"}}
    return {
        "form with two images": lambda path: post_form(path, form),
        "form, one attribute": lambda path: post_form(path, [*form, ("attributes", b"collar")]),
        "JSON, base64": lambda path: post_json(path, references),
        "JSON, two garment ids": lambda path: post_json(path, garments),
    }


def _inline(image: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(image).decode()}


def _fill(service: Server) -> None:
    """Store the garments that the requests name."""
    for number in (1, 2):
        request = post_form(
            f"/v1/garments/garment-{number}", [("image", jpeg(number)), ("metadata", b"{}")]
        )
        ask(service.port, request.replace(b"POST", b"PUT", 1), status=201)


def _asking(server: Server, request: bytes, quick: bool) -> Callable[[], float]:
    seconds = 0.5 if quick else 2.0

    def score() -> float:
        load = keep_asking(
            server.port,
            itertools.repeat(request),
            connections=CLIENTS,
            seconds=seconds,
            warm_up_s=seconds / 5,
        )
        return load.per_second

    return score
