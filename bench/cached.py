"""Comparing images that the cache knows, against routes that do nothing.

What is measured is everything around the network: HTTP, the form or the JSON, hashing, the cache,
the comparison, the answer. Baselines run in a second process with the same server options; there
are three of them, since a route can be empty in three ways (see `bench.empty`).
"""

import base64
import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bench.client import ask, get, keep_asking, post_form, post_json
from bench.pictures import jpeg
from bench.report import Goal, Report
from bench.server import EMPTY_SERVICE, SERVICE, Server, running
from bench.timing import Progress, Rounds, interleaved

GOAL = 0.5
CLIENTS = 16
GET = "empty route, GET"
SAME_BODY = "empty route, POST of the same "
DECLARED = "empty route that declares the "


class Body(NamedTuple):
    """One way to ask for a comparison.

    Attributes:
        request: the request to a path.
        declared: the empty route that declares such a body.
    """

    request: Callable[[str], bytes]
    declared: str


def measure(progress: Progress, *, quick: bool) -> Report:
    """Compare every kind of body with the empty routes."""
    bodies = comparison_bodies()
    with running(SERVICE) as service, running(EMPTY_SERVICE) as empty:
        _fill(service)
        contenders: dict[str, Callable[[], float]] = {GET: _asking(empty, get("/"), quick)}
        for name, body in bodies.items():
            ask(service.port, body.request("/v1/compare"))
            contenders[name] = _asking(service, body.request("/v1/compare"), quick)
            contenders[SAME_BODY + name] = _asking(empty, body.request("/"), quick)
            contenders[DECLARED + name] = _asking(empty, body.request(body.declared), quick)
        rounds = interleaved(contenders, 2 if quick else 9, progress)
    return _report(rounds, {name: len(body.request("/")) for name, body in bodies.items()})


def comparison_bodies() -> dict[str, Body]:
    """Every way to name two images."""
    a, b = jpeg(1), jpeg(2)
    form = [("image_a", a), ("image_b", b)]
    references = {"a": _inline(a), "b": _inline(b)}
    garments = {"a": {"garment_id": "garment-1"}, "b": {"garment_id": "garment-2"}}
    collar = [*form, ("attributes", b"collar")]
    return {
        "form with two images": Body(lambda path: post_form(path, form), "/form"),
        "form, one attribute": Body(lambda path: post_form(path, collar), "/form"),
        "JSON, base64": Body(lambda path: post_json(path, references), "/json"),
        "JSON, two garment ids": Body(lambda path: post_json(path, garments), "/json"),
    }


def _report(rounds: Rounds, request_bytes: Mapping[str, int]) -> Report:
    rows = [(GET, "", f"{rounds.median(GET):,.0f}", "", "", "")]
    goals = []
    for name, size in request_bytes.items():
        bare = rounds.ratio(name, GET)
        same_body = rounds.ratio(name, SAME_BODY + name)
        declared = rounds.ratio(name, DECLARED + name)
        speed = f"{rounds.median(name):,.0f}"
        rows.append((name, f"{size / 1e3:.1f}", speed, str(bare), str(same_body), str(declared)))
        goals += [
            Goal(f"{name}, of an empty GET", GOAL, bare.median),
            Goal(f"{name}, of an empty POST of the same body", GOAL, same_body.median),
            Goal(f"{name}, of an empty POST that declares the body", GOAL, declared.median),
        ]
    return Report(
        name="cached",
        title="Comparisons answered from the cache",
        method=f"{CLIENTS} clients post the same two images, which are in the cache, to "
        "/v1/compare; in turn, the same client asks a FastAPI application with empty routes, "
        "served with the same options in a process of its own. The client shares the cores. An "
        "empty GET is the least that FastAPI does; an empty POST receives the same body and leaves "
        "it unread; one that declares the body, as UploadFile and form fields or as a pydantic "
        "model, has FastAPI parse and check it first.",
        columns=(
            "request",
            "KB",
            "answers/s",
            "of an empty GET",
            "of an empty POST, same body",
            "of an empty POST that declares the body",
        ),
        rows=rows,
        goals=goals,
    )


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
