import dataclasses
import io
import math
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from api_schemas.evidence import EvidenceDocument
from service.evidence.making import Side
from service.evidence.report import charts, figures, wording
from service.evidence.report.composing import compose
from service.evidence.report.hatching import hatch
from service.evidence.report.html import render_html
from service.evidence.report.parts import (
    Box,
    Boxed,
    Chart,
    Columns,
    Facts,
    Items,
    Line,
    Picture,
    Table,
    Text,
    Words,
)
from service.evidence.report.pdf import render_pdf
from service.evidence.report.rendering import rendered
from tests.service.evidence.evidence_records import START, edited_copy, on_a_floor

HOSTILE = '"><script>alert(1)</script><b>&amp;</b>\u202egpj.\x00\u0007 袖 {{7*7}} %s.jpg'
VOID = {"meta", "img", "col", "rect", "polyline"}


class Page(HTMLParser):
    """What a browser would find: tags with their attributes, texts, and whether all is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def texts_of(parts):
    """Every text of a report, in order."""
    for part in parts:
        match part:
            case Text():
                yield part.words
            case Items():
                yield from part.sentences
            case Facts():
                yield from (cell for row in part.rows for cell in row)
            case Table():
                yield from part.header
                yield from (cell for row in part.rows for cell in row)
            case Boxed():
                yield from texts_of(part.parts)
            case Columns():
                yield from (each for column in part.columns for each in texts_of(column))
            case Picture():
                yield part.caption
            case Chart():
                yield from (mark.text for mark in part.marks if isinstance(mark, Words))


def said(record):
    report = compose(record)
    return " ".join(text for section in report.sections for text in texts_of(section.parts))


def test_a_report_names_files_hashes_model_policy_and_time(records):
    record = records(1, 2)
    text, document = said(record), EvidenceDocument.model_validate(record.document)
    for expected in (
        *(document.pictures.a.sha256, document.pictures.b.sha256, record.sha256, record.id),
        *(document.model.fingerprint, document.model.name, "garment-1.png", "garment-2.png"),
        *("2026-01-31 12:00:00 UTC", document.policy.name),
    ):
        assert expected in text, expected


def test_every_attribute_has_its_figures_or_the_reason_why_not(records):
    seen = set()
    for pair in ((1, 2), (3, 7), (5, 9)):
        record = records(*pair)
        text = said(record)
        for each in EvidenceDocument.model_validate(record.document).attributes:
            seen.add(each.excluded is None)
            if each.excluded is None:
                assert f"Similarity {each.similarity:.2f}." in text
                assert figures.how_often(each.chance) in text
            else:
                assert f"{figures.spoken(each.name)} {wording.EXCLUDED[each.excluded]}" in text
    assert seen == {True, False}


def test_the_verdict_carries_its_error_rates(records):
    record = records(1, 2)
    document = EvidenceDocument.model_validate(record.document)
    text = said(record)
    assert figures.percent(document.verdict.false_accusation_rate) in text
    assert figures.percent(document.verdict.detection_rate) in text
    assert "which are false accusations" in text


def test_what_the_model_cannot_tell_is_left_out_with_one_line(records):
    record = records(1, 2)
    document = record.document | {"edited_copy": None, "conceptual": None}
    text = said(dataclasses.replace(record, document=document))
    assert "no space for recognising edited copies" in text
    assert "no attribute can be seen in both pictures" in text
    assert "is an edited copy of" not in text


def test_without_pictures_a_report_says_so_and_keeps_its_figures(records):
    record = records(1, 2)
    bare = dataclasses.replace(
        record, pictures=dataclasses.replace(record.pictures, a=None, b=None)
    )
    assert "The files were not kept" in said(bare)
    assert "<img" not in render_html(compose(bare))
    assert render_pdf(compose(bare)).startswith(b"%PDF")


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_the_same_evidence_gives_the_same_bytes(records, kind):
    assert rendered(records(1, 2), kind) == rendered(records(1, 2), kind)


def test_reports_of_the_same_files_differ_in_time_and_its_hash_alone(records):
    pages = []
    for minute in (0, 1):
        record = records(1, 2, minute=minute)
        page = rendered(record, "html").decode()
        for changing in (record.sha256, record.id, f"2026-01-31 12:0{minute}:00"):
            assert changing in page
            page = page.replace(changing, "")
        pages.append(page)
    assert pages[0] == pages[1]


def test_a_page_asks_for_nothing_and_runs_nothing(records):
    page = rendered(records(1, 2), "html").decode()
    parsed = Page(page)
    assert parsed.open == []
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in parsed.tags}
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "data:image/jpeg;base64,").startswith("data:image/jpeg")
    assert "url(" not in page
    assert "@import" not in page
    pictures = [dict(a) for tag, a in parsed.tags if tag == "img"]
    assert len(pictures) > 2
    assert all(picture["alt"] for picture in pictures)


def hostile(records):
    a, b = records.side(1, HOSTILE), records.side(2, "<img src=x onerror=alert(2)>")
    return records.maker.make(a, b, now=START)


def test_hostile_names_are_shown_and_never_obeyed(records):
    page = Page(rendered(hostile(records), "html").decode())
    plain = Page(rendered(records(1, 2), "html").decode())
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    text = "".join(page.texts)
    assert '"><script>alert(1)</script><b>&amp;</b>[U+202E]gpj.[U+0000][U+0007] 袖' in text
    assert not set(text) & set("\u202e\x00\x07")
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on")}


def test_hostile_names_in_a_pdf_are_letters_and_those_its_fonts_lack_are_numbers(records):
    file = rendered(hostile(records), "pdf")
    assert file.startswith(b"%PDF")
    for action in (b"/JavaScript", b"/Launch", b"/URI", b"/EmbeddedFile", b"/OpenAction"):
        assert action not in file
    from service.evidence.report.pdf_type import printable

    assert printable("袖 café ≥") == "[U+8896] café ≥"
    assert printable("cafe\u0301") == "café"


def test_attribute_and_value_names_of_a_users_own_model_are_escaped_too(records):
    record = records(1, 2)
    document = dict(record.document)
    document["attributes"] = [
        {**each, "name": f"<i>{number}</i>", "a": {**each["a"], "value": "<u>x</u>"}}
        if each["similarity"] is not None
        else each
        for number, each in enumerate(document["attributes"])
    ]
    page = Page(render_html(compose(dataclasses.replace(record, document=document))))
    assert not {"i", "u"} & {tag for tag, _ in page.tags}
    assert any("<i>" in text for text in page.texts)


def test_long_names_are_cut_in_the_middle():
    name = "a" * 300 + ".jpg"
    assert len(figures.shown(name)) < 170
    assert figures.shown(name).endswith(".jpg")


@pytest.mark.parametrize(("paper", "width", "height"), [("a4", 595, 842), ("letter", 612, 792)])
def test_a_pdf_has_the_paper_asked_for(records, paper, width, height):
    file = rendered(records(1, 2), "pdf", paper)
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[ (.*?) \]", file)}
    ((left, bottom, right, top),) = boxes
    assert (left, bottom, round(right), round(top)) == (0, 0, width, height)


def test_a_very_tall_picture_is_not_cut_off(records):
    image, file = Image.new("RGB", (30, 900), "green"), io.BytesIO()
    image.save(file, "PNG")
    tall = Side("tall.png", file.getvalue(), records.side(1).embedding)
    record = records.maker.make(tall, records.side(2), now=START)
    assert rendered(record, "pdf").startswith(b"%PDF")  # ReportLab refuses what fits no page
    (shown, *_) = [
        dict(a) for tag, a in Page(rendered(record, "html").decode()).tags if tag == "img"
    ]
    assert int(shown["height"]) == pytest.approx(30 * int(shown["width"]), rel=0.05)


def test_marks_stay_within_their_chart(records):
    document = EvidenceDocument.model_validate(records(1, 2).document)
    drawn = [charts.overview(document.attributes, document.policy)]
    assert document.conceptual is not None
    drawn.append(charts.curve(document.conceptual))
    for chart in drawn:
        for mark in chart.marks:
            for x, y in corners(mark):
                assert -0.01 <= x <= chart.width + 0.01, mark
                assert -0.01 <= y <= chart.height + 0.01, mark


def corners(mark):
    if isinstance(mark, Line):
        return mark.points
    if isinstance(mark, Box):
        return ((mark.x, mark.y), (mark.x + mark.width, mark.y + mark.height))
    # No letter of the page's fonts is wider than this on average.
    width = 0.62 * mark.size * len(mark.text)
    start = mark.x - {"start": 0, "middle": width / 2, "end": width}[mark.anchor]
    return ((start, mark.y - mark.size), (start + width, mark.y))


@pytest.mark.parametrize("size", [(100, 10), (4, 10), (10, 10), (0.5, 10)])
def test_hatching_stays_within_its_box_and_fills_it(size):
    box = Box(7, 3, *size)
    lines = list(hatch(box))
    for line in lines:
        for x, y in line.points:
            assert 7 <= x <= 7 + size[0]
            assert 3 <= y <= 3 + size[1]
        (x0, y0), (x1, y1) = line.points
        assert x1 - x0 == pytest.approx(y1 - y0)  # all at one angle
    assert len(lines) == pytest.approx(sum(size) / 3, abs=1)


def test_bars_are_as_long_as_their_figures(records):
    document = EvidenceDocument.model_validate(records(1, 2).document)
    marks = charts.overview(document.attributes, document.policy).marks
    solid = [m for m in marks if isinstance(m, Box) and m.fill]
    hatched = [m for m in marks if isinstance(m, Box) and m.hatched]
    compared = [each for each in document.attributes if each.similarity is not None]
    assert [m.width for m in solid] == pytest.approx(
        [120 * (e.similarity + 1) / 2 for e in compared]
    )
    rarity = [min(-math.log10(e.chance) / 4, 1) for e in compared]
    assert [m.width for m in hatched] == pytest.approx([130 * share for share in rarity])


def test_an_interval_that_could_not_be_measured_is_not_given_as_one(records):
    record = records(1, 2)
    for low, high in ((0.042, 0.042), (0.031, 0.073)):
        background = record.document["background"] | {"false_accusation_interval": [low, high]}
        altered = record.document | {"background": background}
        text = said(dataclasses.replace(record, document=altered))
        assert ("too few photographers" in text) is (low == high)
        assert ("with 95 % confidence" in text) is (low != high)


def with_copy(record, decision, **background):
    """The record as a model with a space for copies would have made it."""
    copy = {
        "similarity": 0.8,
        "a_is_copy_of_b": 0.03,
        "b_is_copy_of_a": 0.97,
        "decision": decision,
        "false_accusation_rate": 0.0042,
    }
    copies = {
        "measured_on": "valid",
        "compared_with": 600,
        "detection_rate": 0.91,
        "wrong_direction_rate": 0.037,
    }
    document = record.document | {
        "edited_copy": copy,
        "background": record.document["background"] | {"copies": copies | background},
    }
    return dataclasses.replace(record, document=document)


def test_a_copy_is_told_with_its_errors_also_beside_the_verdict(records):
    record = with_copy(records(1, 2), "b_is_copy_of_a")
    report = compose(record)
    for title in ("Verdict", "Is one picture an edited copy of the other?"):
        (section,) = [section for section in report.sections if section.title == title]
        text = " ".join(texts_of(section.parts))
        assert "Picture B is judged to be an edited copy of picture A." in text
        assert "0.42 % are called copies; of copies 91 % are found" in text
        assert "is wrong in 3.7 %" in text
    assert render_pdf(report).startswith(b"%PDF")


def test_both_directions_are_drawn_with_their_probabilities(records):
    text = said(with_copy(records(1, 2), "no_copy"))
    assert "A is an edited copy of B 3 % B is an edited copy of A 97 %" in text
    assert "Neither picture is judged" in text


def test_two_probabilities_that_are_judged_to_be_no_copy_are_explained(records):
    text = said(with_copy(records(1, 2), "no_copy", threshold=0.83))
    assert "The two need not add up to 100 %" in text
    assert "One that reaches 83 % is judged to be so." in text
    assert "is judged to be so" not in said(with_copy(records(1, 2), "no_copy"))


def test_errors_that_were_not_measured_are_not_given(records):
    text = said(with_copy(records(1, 2), "no_copy", compared_with=0))
    assert "How often this model errs in recognising copies was not measured." in text
    assert "are called copies" not in text


COPIES = "Is one picture an edited copy of the other?"


def section(record, title):
    return next(each for each in compose(record).sections if each.title == title)


def flat(parts):
    """Every part, those within others too."""
    for part in parts:
        yield part
        for column in getattr(part, "columns", ()):
            yield from flat(column)


def laid_record(laid_records, *, copied=True):
    source = on_a_floor(1, 101)
    other = edited_copy(source) if copied else on_a_floor(51, 101)
    a, b = laid_records.of(source, "source.png"), laid_records.of(other, "other.png")
    return laid_records.maker.make(a, b, now=START)


def changed(record, **alignment):
    """The record with another alignment."""
    copy = record.document["edited_copy"]
    copy = copy | {"alignment": copy["alignment"] | alignment}
    return dataclasses.replace(record, document=record.document | {"edited_copy": copy})


def test_a_copy_is_shown_where_it_lies_in_its_source(laid_records):
    record = laid_record(laid_records)
    copy = EvidenceDocument.model_validate(record.document).edited_copy
    assert copy.decision == "b_is_copy_of_a"
    parts = list(flat(section(record, COPIES).parts))
    text = " ".join(texts_of(section(record, COPIES).parts))
    assert f"{copy.alignment.points} places of picture A are found again in picture B" in text
    assert "turned over (mirrored)" in text
    assert f"B covers {figures.percent(round(copy.alignment.shown_of_a, 2))} of A" in text
    assert f"agree to {copy.alignment.agreement:.2f}" in text
    shown = [part for part in parts if isinstance(part, Picture)]
    assert [part.caption[0] for part in shown] == ["A", "B"]
    image = Image.open(io.BytesIO(shown[0].jpeg)).convert("L")
    # The crop's left and right edge, of a picture of 640 pixels.
    for x in (1 / 6, 5 / 6):
        x = round(x * image.width)
        assert min(image.getpixel((x + step, 320)) for step in range(-4, 5)) < 60
    assert (
        rendered(record, "html").count(b"the line is the frame of") == 4
    )  # each with its alt text
    assert render_pdf(compose(record)).startswith(b"%PDF")


def test_two_garments_on_one_floor_get_one_sentence_and_no_pictures(laid_records):
    record = laid_record(laid_records, copied=False)
    copy = EvidenceDocument.model_validate(record.document).edited_copy
    assert copy.decision == "no_copy"
    parts = section(record, COPIES).parts
    assert not [part for part in flat(parts) if isinstance(part, Picture)]
    text = " ".join(texts_of(parts))
    assert f"{copy.alignment.points} places match" in text
    assert f"agree to {copy.alignment.agreement:.2f}" in text
    assert "found again" not in text
    none = " ".join(texts_of(section(changed(record, points=0), COPIES).parts))
    assert "no more places match than in any two pictures" in none


def test_a_copy_without_places_to_match_is_not_said_to_have_any(laid_records):
    record = changed(laid_record(laid_records), points=2)
    text = " ".join(texts_of(section(record, COPIES).parts))
    assert "Too few places of the two match" in text
    assert "2 places" not in text


def test_how_pictures_lie_is_said_also_where_they_were_not_kept(laid_records):
    record = laid_record(laid_records)
    pictures = dataclasses.replace(record.pictures, a=None, b=None)
    bare = section(dataclasses.replace(record, pictures=pictures), COPIES)
    assert "are found again in picture B" in " ".join(texts_of(bare.parts))
    assert not [part for part in flat(bare.parts) if isinstance(part, Picture)]


def test_method_and_limits_speak_of_places_where_pictures_were_laid_on_each_other(
    records, laid_records
):
    laid, alone = said(laid_record(laid_records)), said(with_copy(records(1, 2), "no_copy"))
    without = records(1, 2)
    without = said(dataclasses.replace(without, document=without.document | {"edited_copy": None}))
    for words in ("one picture is laid on the other", "Two garments on the same floor"):
        assert words in laid
        assert words not in alone
        assert words not in without
    for text, expected in ((laid, True), (alone, True), (without, False)):
        assert ("one vector more of each whole picture" in text) is expected
