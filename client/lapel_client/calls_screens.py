"""Operations on screens, as in `calls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import JsonValue

from lapel_client import answers
from lapel_client.call import Call, Stream, given, names_of, parse, reads
from lapel_client.calls_evidence import Policy, policy_of
from lapel_client.errors import UnexpectedAnswer, problem_error
from lapel_client.images import Document, Image, ImageUrl, StoredGarment, reference

SCREEN = "/v1/screen"
NDJSON = {"Accept": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class CatalogPart:
    """The garments of a catalog that pass a filter.

    Attributes:
        catalog: its name.
        where: as in a search; None for all.
    """

    catalog: str
    where: Mapping[str, JsonValue] | None = None


Side = str | CatalogPart | Image | Sequence[Image]
"""Designs or suspects: a catalog by its name, a part of it, or images."""
ScreenItem = answers.ScreenFinding | answers.ScreenSummary


def post_screen(
    designs: Side,
    suspects: Side,
    *,
    attributes: Sequence[str] | None = None,
    policy: Policy | None = None,
    max_false_accusation_rate: float | None = None,
    max_false_findings: float | None = None,
    limit_per_design: int | None = None,
    watch: bool | None = None,
    notify: str | None = None,
    background: bool = False,
) -> Call[answers.ScreenResult | answers.ScreenAnswer]:
    """Screen suspects, at once or in the background."""
    body = given(
        designs=_side(designs),
        suspects=_side(suspects),
        attributes=names_of(attributes),
        policy=policy_of(policy),
        max_false_accusation_rate=max_false_accusation_rate,
        max_false_findings=max_false_findings,
        limit_per_design=limit_per_design,
        watch=watch,
        notify=None if notify is None else {"url": notify},
    )
    options = {"json": body, "headers": {"Prefer": "respond-async"} if background else {}}
    return Call("POST", SCREEN, _screened, options, once=True)


def screen(
    designs: Side,
    suspects: Side,
    *,
    attributes: Sequence[str] | None = None,
    policy: Policy | None = None,
    max_false_accusation_rate: float | None = None,
    max_false_findings: float | None = None,
    limit_per_design: int | None = None,
) -> Stream[ScreenItem]:
    """Screen suspects, findings as they are found and then the summary."""
    body = given(
        designs=_side(designs),
        suspects=_side(suspects),
        attributes=names_of(attributes),
        policy=policy_of(policy),
        max_false_accusation_rate=max_false_accusation_rate,
        max_false_findings=max_false_findings,
        limit_per_design=limit_per_design,
    )
    return Stream("POST", SCREEN, _item, {"json": body, "headers": NDJSON}, _is_summary)


def list_screens(*, limit: int | None = None) -> Call[answers.ScreenList]:
    """Screens in the background, newest first."""
    options = {"params": given(limit=limit)}
    return Call("GET", "/v1/screens", reads(answers.ScreenList), options)


def get_screen(screen_id: str) -> Call[answers.ScreenAnswer]:
    """How far a screen is."""
    return Call("GET", _place(screen_id), reads(answers.ScreenAnswer))


def delete_screen(screen_id: str) -> Call[answers.ScreenAnswer]:
    """Cancel a screen."""
    return Call("DELETE", _place(screen_id), reads(answers.ScreenAnswer))


def get_findings(
    screen_id: str, *, limit: int | None = None, offset: int | None = None
) -> Call[answers.ScreenFindings]:
    """One page of findings."""
    options = {"params": given(limit=limit, offset=offset)}
    return Call("GET", f"{_place(screen_id)}/findings", reads(answers.ScreenFindings), options)


def findings(screen_id: str) -> Stream[answers.ScreenFinding]:
    """All findings."""
    options = {"headers": NDJSON}
    return Stream("GET", f"{_place(screen_id)}/findings", _finding, options)


def _side(side: Side) -> Document:
    if isinstance(side, str):
        return {"catalog": side}
    if isinstance(side, CatalogPart):
        return given(catalog=side.catalog, where=side.where)
    if isinstance(side, bytes | Path | StoredGarment | ImageUrl):
        return {"images": [reference(side)]}
    return {"images": [reference(image) for image in side]}


def _screened(response: httpx.Response) -> answers.ScreenResult | answers.ScreenAnswer:
    if response.status_code == HTTPStatus.ACCEPTED:
        return parse(response.content, answers.ScreenAnswer)
    return parse(response.content, answers.ScreenResult)


def _item(line: bytes) -> ScreenItem:
    read = parse(line, answers.ScreenLine)
    if read.problem is not None:
        raise problem_error(read.problem, None)
    item = read.finding or read.summary
    if item is None:
        raise UnexpectedAnswer(f"neither finding, summary nor problem: {line[:200]!r}")
    return item


def _is_summary(item: ScreenItem) -> bool:
    return isinstance(item, answers.ScreenSummary)


def _finding(line: bytes) -> answers.ScreenFinding:
    return parse(line, answers.ScreenFinding)


def _place(screen_id: str) -> str:
    return f"/v1/screens/{quote(screen_id, safe='')}"
