"""`lapel evidence`: two pictures examined for a copied design, as a summary and a report."""

from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from pydantic_core import to_json
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from api_schemas.card import ModelCard
from api_schemas.evidence import EvidenceDocument, PolicyRequest
from model.encoder import Encoder
from model.labels import comma_separated
from service.app import package_version
from service.cli.failures import CommandError
from service.cli.opening import attributes_of, embed_file, load_encoder
from service.cli.options import AsJson, Model
from service.evidence.making import Maker, Side
from service.evidence.policies import read_policy
from service.evidence.report import wording
from service.evidence.report.aligned import sentence as of_alignment
from service.evidence.report.figures import how_often, shown, spoken
from service.evidence.report.rendering import Paper, Rendering, rendered
from service.evidence.store import EvidenceRecord
from service.routes.answers import identity

ENDINGS: Final[dict[str, Rendering]] = {".html": "html", ".htm": "html", ".pdf": "pdf"}


def evidence(
    a: Annotated[Path, typer.Argument(help="Picture of the original.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Picture of the suspect.", show_default=False)],
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Report to write: .html or .pdf, repeatable.", show_default=False),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(help="Attributes to look at, parted by commas; default all."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="JSON file of a policy; default the model's own.", show_default=False),
    ] = None,
    paper: Annotated[Paper, typer.Option(help="Paper of a PDF.")] = "a4",
    as_json: AsJson = False,
    model: Model = None,
) -> None:
    """Say where two designs are alike, how rare that is, and write a report.

    Example: lapel evidence original.jpg suspect.jpg --out report.html --out report.pdf

    "By chance" is how often two unrelated garments are at least as alike in an attribute; a star
    marks the points alike under the policy. The report has both pictures, where the network
    looked, the method and its error rates.

    Example: lapel evidence a.jpg b.jpg --policy strict.json --attributes collar,closure,pattern

    A policy file gives what differs from the model's own policy: {"name": "strict",
    "max_chance": 0.01, "min_points": 4, "min_probability": 0.95, "attributes": {"collar": 1}}.
    """
    kinds = {file: _kind(file) for file in out or ()}
    encoder = load_encoder(model)
    names = None if attributes is None else _names(attributes, encoder.card)
    asked = read_policy(_read_policy(policy), names, encoder.card)
    maker = Maker(encoder.card, identity(encoder), package_version())
    record = maker.make(_side(encoder, a), _side(encoder, b), names=names, policy=asked)
    for file, kind in kinds.items():
        file.write_bytes(rendered(record, kind, paper))
    if as_json:
        found = {"id": record.id, "sha256": record.sha256, "document": record.document}
        typer.echo(to_json(found, indent=2))
    else:
        _show(record)
        for file in kinds:
            typer.echo(f"written: {file}")


def _show(record: EvidenceRecord) -> None:
    document = EvidenceDocument.model_validate(record.document)
    console = Console(highlight=False, markup=False)
    for letter, facts in (("A", document.pictures.a), ("B", document.pictures.b)):
        console.print(f"{letter}  {shown(facts.name)}  sha256 {facts.sha256[:16]}…")
    console.print(_table(document))
    verdict, policy, background = document.verdict, document.policy, document.background
    console.print("* a point alike under the policy\n")
    console.print(wording.headline(verdict, policy), style="bold")
    sentences = [
        wording.points(verdict, policy),
        wording.combined(verdict),
        wording.rates(verdict, background),
        wording.caution(verdict),
    ]
    if (copy := document.edited_copy) is not None:
        sentences.append(f"{wording.decided(copy)} {wording.copy_rates(copy, background.copies)}")
        if copy.alignment is not None:
            sentences.append(of_alignment(copy, copy.alignment))
    if document.conceptual is not None:
        sentences.append(wording.conceptual(document.conceptual.sentence))
    for sentence in sentences:
        console.print(sentence)
    console.print(f"evidence {record.id}, sha256 {record.sha256}", soft_wrap=True)


def _table(document: EvidenceDocument) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("attribute", no_wrap=True)
    for column in ("similarity", "by chance"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("A", "B"):
        table.add_column(column, no_wrap=True)
    for each in document.attributes:
        name = spoken(each.name) + (" *" if each.exceeds else "")
        if each.similarity is None or each.chance is None:
            figures = ("-", "-")
        else:
            figures = (f"{each.similarity:.2f}", how_often(each.chance))
        table.add_row(name, *figures, wording.reading(each.a), wording.reading(each.b))
    return table


def _kind(file: Path) -> Rendering:
    kind = ENDINGS.get(file.suffix.lower())
    if kind is None:
        raise CommandError(f"{file}: a report ends in .html or .pdf")
    return kind


def _names(text: str, card: ModelCard) -> list[str]:
    return attributes_of(card, comma_separated(text))


def _read_policy(file: Path | None) -> PolicyRequest | None:
    if file is None:
        return None
    try:
        return PolicyRequest.model_validate_json(file.read_bytes())
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CommandError(f"{file}: {f'{place}: ' if place else ''}{first['msg']}") from exc


def _side(encoder: Encoder, file: Path) -> Side:
    return Side(file.name, file.read_bytes(), embed_file(encoder, file))
