"""`lapel screen`: protected designs against a catalog of suspects, in this process."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api_schemas.screens import DEFAULT_PER_DESIGN, MAX_PER_DESIGN, ScreenRequest
from service.cli.conditions import parse_conditions
from service.cli.failures import CommandError
from service.cli.opening import (
    Workplace,
    attributes_of,
    open_workplace,
    progress_bar,
    settings_with,
)
from service.cli.options import Model, Store
from service.routes.bodies import parse_json
from service.screening.records import Document, Finding
from service.screening.running import check, prepare
from service.screening.tally import Tally, found

SHOWN: Final = 20
"""Findings printed; a file takes all of them."""

_ELSEWHERE: Final = "a running service screens through POST {address}/v1/screen"


def screen(
    designs: Annotated[str, typer.Option(help="Catalog of what is protected.", show_default=False)],
    suspects: Annotated[
        str, typer.Option(help="Catalog that is searched for it.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Write all findings to this .jsonl file.", show_default=False),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Attribute that counts; repeatable.", show_default=False),
    ] = None,
    where_designs: Annotated[
        list[str] | None,
        typer.Option(help="Condition on the designs, as in `lapel search`.", show_default=False),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Condition on the suspects; repeatable.", show_default=False),
    ] = None,
    false_findings: Annotated[
        float | None,
        typer.Option(
            help="How many findings chance may bring in all; default 1.", show_default=False
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Or else: which share of unrelated pairs may be accused.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_PER_DESIGN, help="Findings per design.")
    ] = DEFAULT_PER_DESIGN,
    store: Store = None,
    model: Model = None,
) -> None:
    """Find garments whose design may have been taken from yours, and say how sure that is.

    Example: lapel screen --designs ours --suspects market --out findings.jsonl

    Every garment of one catalog is compared with every garment of the other, from stored vectors.
    Among so many pairs some are alike by chance: the answer says how many findings that explains.
    A finding is a reason to look, not a proof.
    """
    asked: dict[str, Any] = {
        "designs": {"catalog": designs, "where": parse_conditions(where_designs or []) or None},
        "suspects": {"catalog": suspects, "where": parse_conditions(where or []) or None},
        "max_false_findings": false_findings,
        "max_false_accusation_rate": rate,
        "limit_per_design": limit,
        "attributes": by or None,
    }
    settings = settings_with(store=store, model_path=model)
    with open_workplace(settings, must_exist=True, instead=_ELSEWHERE) as workplace:
        request = parse_json(to_json(asked), ScreenRequest, name="options")
        tally = _run(workplace, request)
        findings = tally.findings()
        summary = tally.summary()
    if out is not None:
        out.write_bytes(b"".join(to_json(finding) + b"\n" for finding in findings))
    for side in ("designs", "suspects"):
        if not summary[side]:
            raise CommandError(
                f"nothing was compared: no {side} in catalog {asked[side]['catalog']!r} that fit, "
                "and have vectors of this model (another model's need lapel reindex)"
            )
    _show(findings, summary, out)


def _run(workplace: Workplace, request: ScreenRequest) -> Tally:
    services = workplace.services
    if request.attributes is not None:
        attributes_of(services.card, request.attributes)
    check(request, services)
    tally = Tally(workplace.run(prepare(request, services)), request.limit_per_design)
    steps = found(tally)
    with progress_bar("comparing") as bar:
        try:
            while workplace.run(_more(steps)):
                bar.update(bar.task_ids[0], completed=tally.progress)
        finally:
            workplace.run(steps.aclose())
        bar.update(bar.task_ids[0], completed=1.0)
    return tally


async def _more(steps: AsyncGenerator[list[Finding], None]) -> bool:
    return await anext(steps, None) is not None


def _show(findings: Sequence[Document], summary: Document, out: Path | None) -> None:
    console = Console()
    threshold = summary["threshold"]
    if findings:
        console.print(_table(findings[:SHOWN]))
    if len(findings) > SHOWN:
        where = f"all are in {out}" if out else "--out FILE has them all"
        console.print(f"... and {len(findings) - SHOWN} more; {where}", highlight=False)
    lines = [
        f"{summary['designs']:,} designs, {summary['suspects']:,} suspects, "
        f"{summary['pairs']:,} pairs",
        f"{summary['findings']:,} findings; chance alone explains up to "
        f"{summary['expected_false_findings']:,.3g}: at most "
        f"{100 * threshold['max_false_accusation_rate']:.3g} % of unrelated pairs reach the "
        f"probability {threshold['min_probability']:.4f}",
    ]
    if summary["not_kept"]:
        lines.append(f"{summary['not_kept']:,} more were not kept; --limit sets how many are")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _table(findings: Sequence[Document]) -> Table:
    table = Table("design", "suspect", "probability", "by chance", "alike in", box=SIMPLE_HEAD)
    for finding in findings:
        names = ", ".join(point["name"] for point in finding["points_alike"])
        table.add_row(
            escape(str(finding["design"]["id"])),
            escape(str(finding["suspect"]["id"])),
            f"{finding['probability']:.4f}",
            f"{finding['false_accusation_rate']:.1e}",
            escape(names),
        )
    return table
