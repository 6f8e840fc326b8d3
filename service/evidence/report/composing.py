"""From a record to a report: which parts, in which order, and what is said where one is missing."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from api_schemas.evidence import Conceptual, EvidenceDocument, PictureFacts, Statement
from model.copies import NO_COPY
from service.evidence.making import attention_of
from service.evidence.overlays import as_jpeg, overlay, whole
from service.evidence.report import charts, method, wording
from service.evidence.report.aligned import aligned
from service.evidence.report.figures import how_often, shown, spoken
from service.evidence.report.parts import (
    Boxed,
    Columns,
    Facts,
    Items,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Text,
)
from service.evidence.store import EvidenceRecord

TITLE: Final = "Evidence on two garment designs"
_NOT_KEPT: Final = "The files were not kept with this evidence, so that no picture is shown."


def compose(record: EvidenceRecord) -> Report:
    """The report of a record whose hashes hold."""
    document = EvidenceDocument.model_validate(record.document)
    a, b = document.pictures.a, document.pictures.b
    return Report(
        title=TITLE,
        subtitle=f"A: {shown(a.name)} · B: {shown(b.name)} · made {_time(document)}",
        footer=f"Lapel evidence {record.id}, made {_time(document)}",
        sections=(
            Section("Verdict", (Boxed(tuple(_verdict(document))),)),
            Section("The two pictures", tuple(_pictures(record, document))),
            Section("What was examined, and by what", tuple(_origin(record, document))),
            Section("Point by point", tuple(_points(document))),
            Section("Where the network looked", tuple(_looked(record, document))),
            Section("Is one picture an edited copy of the other?", tuple(_copy(record, document))),
            Section("At which level of detail do they part?", tuple(_conceptual(document))),
            Section("The policy", (_policy(document),)),
            Section("How this was found", (Items(method.how(document)),)),
            Section("What it cannot say", (Items(method.limits(document)),)),
        ),
    )


def _verdict(document: EvidenceDocument) -> Iterator[Part]:
    verdict, policy = document.verdict, document.policy
    yield Text(wording.headline(verdict, policy), "lead")
    if (copy := document.edited_copy) is not None and copy.decision != NO_COPY:
        yield Text(wording.decided(copy), "lead")
        yield Text(wording.copy_rates(copy, document.background.copies))
    yield Text(wording.points(verdict, policy))
    yield Text(wording.combined(verdict))
    yield Text(wording.rates(verdict, document.background))
    yield Text(wording.caution(verdict))


def _pictures(record: EvidenceRecord, document: EvidenceDocument) -> Iterator[Part]:
    kept = record.pictures
    if kept.a is None or kept.b is None:
        yield Text(_NOT_KEPT)
        return
    a, b = (
        _picture(letter, data, facts)
        for letter, data, facts in (
            ("A", kept.a, document.pictures.a),
            ("B", kept.b, document.pictures.b),
        )
    )
    yield Columns(((a,), (b,)), (1, 1))


def _picture(letter: str, data: bytes, facts: PictureFacts) -> Picture:
    image = whole(data, (facts.width, facts.height))
    name = shown(facts.name)
    caption = f"{letter}: {name}, {facts.width} × {facts.height} pixels"
    return Picture(as_jpeg(image), image.size, caption, f"picture {letter}: {name}")


def _points(document: EvidenceDocument) -> Iterator[Part]:
    if any(each.similarity is not None for each in document.attributes):
        yield charts.overview(document.attributes, document.policy)
        yield Text(
            "Solid bars: how alike the two are in each attribute. Hatched bars: how rarely two "
            "unrelated garments are at least as alike; what reaches the dashed line of the policy "
            "is a point alike, if the attribute counts.",
            "note",
        )
    rows = tuple(
        (
            spoken(each.name),
            wording.reading(each.a),
            wording.reading(each.b),
            _figure(each.similarity),
            "–" if each.chance is None else how_often(each.chance),
            "–" if each.likelihood_ratio is None else f"{each.likelihood_ratio:.3g}",
            wording.standing(each).rstrip("."),
        )
        for each in document.attributes
    )
    header = ("attribute", "A", "B", "similarity", "by chance", "ratio", "under the policy")
    yield Table(header, rows, (15, 16, 16, 13, 13, 10, 22), frozenset({3, 4, 5}))
    yield Text(
        "By chance: unrelated pairs at least as alike. Ratio: how many times as likely this "
        "similarity is where two garments have the same value as where they have different ones; "
        "held within bounds, beyond which the pairs that it was fitted on tell nothing.",
        "note",
    )


def _looked(record: EvidenceRecord, document: EvidenceDocument) -> Iterator[Part]:
    kept, fit = record.pictures, document.attention.fit
    yield Text(
        "For each attribute, what the network looked at keeps its contrast; the line encloses "
        "where its attention is at least half of its highest. A is on the left, B on the right."
        if kept.a is not None
        else _NOT_KEPT
    )
    maps = zip(document.attributes, *attention_of(record), strict=True)
    for each, *attention in maps:
        if each.similarity is None:
            continue
        words: tuple[Part, ...] = (
            Text(spoken(each.name).capitalize(), "head"),
            *(Text(sentence) for sentence in wording.of_attribute(each)),
        )
        if kept.a is None or kept.b is None:
            yield Columns((words,), (1,))
            continue
        overlays = []
        for letter, data, map_ in zip("AB", (kept.a, kept.b), attention, strict=True):
            image = overlay(data, map_, fit)
            said = f"where the network looked for {spoken(each.name)} in {letter}"
            overlays.append(Picture(as_jpeg(image), image.size, letter, said))
        yield Columns(((overlays[0],), (overlays[1],), words), (23, 23, 54))
    excluded = [each for each in document.attributes if each.excluded is not None]
    if excluded:
        named = (f"{spoken(e.name)} {wording.EXCLUDED[e.excluded]}" for e in excluded if e.excluded)
        yield Text(f"Excluded, and not counted as different: {'; '.join(named)}.")


def _copy(record: EvidenceRecord, document: EvidenceDocument) -> Iterator[Part]:
    copy = document.edited_copy
    if copy is None:
        yield Text(
            "Not examined: this model has no space for recognising edited copies of a picture."
        )
        return
    yield Text(f"{wording.decided(copy)} {wording.copy_rates(copy, document.background.copies)}")
    yield from aligned(record, document)
    yield charts.directions(copy)
    yield Text(wording.both_ways(document.background.copies), "note")
    yield Text(
        "An edited copy is the same photograph after cropping, overlays, collage, recolouring and "
        "the like. Two photographs of the same garment are not copies in this sense.",
        "note",
    )


def _conceptual(document: EvidenceDocument) -> Iterator[Part]:
    conceptual = document.conceptual
    if conceptual is None or not conceptual.budgets:
        yield Text("Not examined: no attribute can be seen in both pictures.")
        return
    yield Text(wording.conceptual(conceptual.sentence))
    yield charts.curve(conceptual)
    yield Text(
        "Each garment is described by statements, those first that tell most about it. The curve "
        "is how much worse each is explained by the other's description than by its own; where it "
        f"rises, the two part. Area under the curve, a mean distance: {conceptual.area:.2f} bits.",
        "note",
    )
    yield _statements(conceptual)


def _statements(conceptual: Conceptual) -> Part:
    of_a, of_b = (
        {each.attribute: each for each in statements}
        for statements in (conceptual.statements_a, conceptual.statements_b)
    )
    steps = zip(conceptual.order, conceptual.differences, conceptual.distances, strict=True)
    rows = tuple(
        (
            spoken(name),
            _statement(of_a.get(name)),
            _statement(of_b.get(name)),
            f"{difference:.2f}",
            f"{distance:.2f}",
        )
        for name, difference, distance in steps
    )
    header = ("statement about", "of A (bits it tells)", "of B (bits it tells)", "adds", "distance")
    return Table(header, rows, (22, 27, 27, 12, 14), frozenset({3, 4}))


def _policy(document: EvidenceDocument) -> Part:
    policy = document.policy
    weights = ", ".join(f"{spoken(name)} {each:g}" for name, each in policy.attributes.items())
    return Facts(
        (
            ("name", shown(policy.name)),
            ("attributes, weights", weights),
            (
                "a point alike",
                f"at most {how_often(policy.max_chance)} unrelated pairs are at least as alike",
            ),
            ("points needed", str(policy.min_points)),
            ("probability needed", f"at least {100 * policy.min_probability:g} %"),
        )
    )


def _origin(record: EvidenceRecord, document: EvidenceDocument) -> Iterator[Part]:
    model = document.model
    yield Facts(
        (
            *_file("A", document.pictures.a),
            *_file("B", document.pictures.b),
            ("model", f"{shown(model.name)} {shown(model.version)}"),
            ("model fingerprint", model.fingerprint),
            ("program", f"Lapel {document.program}"),
            ("time", _time(document)),
            ("evidence", record.id),
            ("sha256 of evidence", record.sha256),
        )
    )
    yield Text(
        "The last line is the sha256 of the evidence as a JSON document in the form of RFC 8785. "
        "Whoever keeps it can tell later whether figures, files or time were altered.",
        "note",
    )


def _file(letter: str, facts: PictureFacts) -> Sequence[tuple[str, str]]:
    about = f"{facts.media_type}, {facts.width} × {facts.height} pixels, {facts.bytes:,} bytes"
    return (
        (f"file {letter}", f"{shown(facts.name)} ({about})"),
        (f"sha256 of file {letter}", facts.sha256),
    )


def _figure(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}"


def _statement(statement: Statement | None) -> str:
    return "–" if statement is None else f"{spoken(statement.value)} ({statement.bits:.1f})"


def _time(document: EvidenceDocument) -> str:
    moment = datetime.fromisoformat(document.created_at)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
