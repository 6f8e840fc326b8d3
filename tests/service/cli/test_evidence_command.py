import json

import pytest

from api_schemas.evidence import EvidenceDocument
from model import encoder as encoding
from service.cli.opening import embed_file
from service.evidence.canonical import sha256_of
from tests.service.evidence.evidence_records import (
    edited_copy,
    laying,
    on_a_floor,
    with_evidence,
)


@pytest.fixture(autouse=True)
def _a_model_with_figures(monkeypatch):
    read = encoding._read_card
    monkeypatch.setattr(encoding, "_read_card", lambda *given: with_evidence(read(*given)))


def test_json_is_the_document_and_its_hash(run, pictures, encoder):
    a, b = pictures[:2]
    answer = json.loads(run("evidence", a, b, "--json").out)
    document = EvidenceDocument.model_validate(answer["document"])
    assert sha256_of(answer["document"]) == answer["sha256"]
    assert (document.pictures.a.name, document.pictures.b.name) == (a.name, b.name)
    assert [each.name for each in document.attributes] == list(encoder.card.attribute_names)
    visible = embed_file(encoder, a).visible
    assert [each.a.visible for each in document.attributes] == pytest.approx(
        visible[: len(document.attributes)], abs=1e-4
    )


def test_reports_are_written_beside_a_summary(run, pictures, tmp_path):
    html, pdf = tmp_path / "report.html", tmp_path / "report.PDF"
    done = run("evidence", *pictures[:2], "--out", html, "--out", pdf)
    assert done.code == 0
    assert html.read_bytes().startswith(b"<!doctype html>")
    assert pdf.read_bytes().startswith(b"%PDF")
    said = " ".join(done.out.split())
    assert "Under the policy" in said
    assert "false accusations" in said
    identity = done.out.split("evidence ")[-1].partition(",")[0]
    assert f"Lapel evidence {identity}" in html.read_text()
    assert all(f"written: {file}" in done.out for file in (html, pdf))


def test_the_summary_says_how_one_picture_lies_on_the_other(run, tmp_path, monkeypatch):
    read = encoding._read_card
    monkeypatch.setattr(encoding, "_read_card", lambda *given: laying(read(*given)))
    source = on_a_floor(1, 101)
    pictures = {"source": source, "copy": edited_copy(source), "other": on_a_floor(51, 101)}
    for name, data in pictures.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    said = {
        name: " ".join(
            run("evidence", tmp_path / "source.png", tmp_path / f"{name}.png").out.split()
        )
        for name in ("copy", "other")
    }
    assert "Picture B is judged to be an edited copy of picture A." in said["copy"]
    assert "places of picture A are found again in picture B" in said["copy"]
    assert "Neither picture is judged" in said["other"]
    assert "where they overlap they agree to" in said["other"]


def test_only_the_attributes_asked_for_are_examined(run, pictures, encoder):
    names = list(encoder.card.attribute_names[:2])
    done = run("evidence", *pictures[:2], "--attributes", ", ".join(names), "--json")
    assert [each["name"] for each in json.loads(done.out)["document"]["attributes"]] == names


def test_a_policy_file_is_applied(run, pictures, tmp_path):
    (tmp_path / "strict.json").write_text('{"name": "strict", "max_chance": 0.001}')
    done = run("evidence", *pictures[:2], "--policy", tmp_path / "strict.json", "--json")
    policy = json.loads(done.out)["document"]["policy"]
    assert (policy["name"], policy["max_chance"]) == ("strict", 0.001)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "Invalid JSON"),
        ('{"max_chance": 2}', "max_chance: "),
        ('{"chance": 0.1}', "chance: "),
        ('{"min_points": 50}', "min_points is 50"),
        ('{"attributes": {"colar": 1}}', "'colar'"),
    ],
)
def test_a_policy_file_that_cannot_be_used_says_what_is_wrong(run, pictures, tmp_path, text, part):
    (tmp_path / "policy.json").write_text(text)
    done = run("evidence", *pictures[:2], "--policy", tmp_path / "policy.json")
    assert (done.code, done.out) == (1, "")
    assert part in done.err


def test_a_report_of_an_unknown_kind_is_refused_before_anything_is_done(run, tmp_path):
    done = run("evidence", "nowhere.jpg", "nowhere.png", "--out", tmp_path / "report.docx")
    assert done.code == 1
    assert "a report ends in .html or .pdf" in done.err


def test_a_file_that_is_no_picture_is_named(run, pictures, tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    done = run("evidence", pictures[0], tmp_path / "text.jpg")
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path / 'text.jpg'}: the file is not a JPEG" in done.err


def test_a_model_without_figures_is_told(run, pictures, monkeypatch):
    read = encoding._read_card
    monkeypatch.setattr(
        encoding, "_read_card", lambda *given: read(*given).model_copy(update={"evidence": None})
    )
    done = run("evidence", *pictures[:2])
    assert done.code == 1
    assert "has no evidence figures" in done.err


def test_a_hostile_file_name_stays_one_line_of_text(run, pictures, tmp_path):
    file = tmp_path / "[bold red]\x1b[2J\u202e<b>.jpg"
    file.write_bytes(pictures[0].read_bytes())
    done = run("evidence", file, pictures[1])
    assert done.code == 0
    assert "[bold red][U+001B][2J[U+202E]<b>.jpg" in done.out
    assert "\x1b" not in done.out
