import copy
import dataclasses
import json
import sqlite3

import pytest

from service.evidence.canonical import sha256_of
from service.evidence.local_store import DATABASE, LocalEvidence
from service.evidence.making import ID_DIGITS
from service.evidence.verifying import figures_check, hash_checks, is_unaltered
from tests.service.evidence.evidence_records import START, edited_copy, on_a_floor


def failing(record):
    return [check["name"] for check in hash_checks(record) if check["holds"] is False]


def with_document(record, change, *, sha256=None):
    document = copy.deepcopy(record.document)
    change(document)
    return dataclasses.replace(record, document=document, sha256=sha256 or record.sha256)


def test_what_was_not_touched_holds(records):
    checks = hash_checks(records(1, 2))
    assert [check["name"] for check in checks] == [
        *("document", "picture_a", "attention_a", "picture_b", "attention_b")
    ]
    assert all(check["holds"] for check in checks)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["verdict"].update(outcome="alike", probability=0.99),
        lambda document: document["attributes"].reverse(),
        lambda document: document["pictures"]["a"].update(name="another.jpg"),
        lambda document: document.update(created_at="2020-01-31T12:00:00.000+00:00"),
        lambda document: document.pop("background"),
        lambda document: document.clear(),
        lambda document: document.update(more=float("nan")),
        lambda document: document.update(pictures=["a", "b"]),
    ],
)
def test_a_tampered_document_is_found(records, change):
    assert "document" in failing(with_document(records(1, 2), change))


def test_a_document_with_a_new_hash_of_its_own_does_not_fit_its_id(records):
    altered = with_document(records(1, 2), lambda d: d["verdict"].update(probability=0.99))
    altered = dataclasses.replace(altered, sha256=sha256_of(altered.document))
    (check,) = [check for check in hash_checks(altered) if check["holds"] is False]
    assert check["name"] == "document"
    assert altered.id in check["detail"]
    assert altered.id != altered.sha256[:ID_DIGITS]


@pytest.mark.parametrize("part", ["a", "b", "attention_a", "attention_b"])
def test_a_tampered_part_is_found_by_its_name(records, part):
    record = records(1, 2)
    data = bytearray(getattr(record.pictures, part))
    data[len(data) // 2] ^= 1
    pictures = dataclasses.replace(record.pictures, **{part: bytes(data)})
    name = part if part.startswith("attention") else f"picture_{part}"
    assert failing(dataclasses.replace(record, pictures=pictures)) == [name]


def test_exchanged_files_are_found(records):
    record = records(1, 2)
    pictures = dataclasses.replace(record.pictures, a=record.pictures.b, b=record.pictures.a)
    assert failing(dataclasses.replace(record, pictures=pictures)) == ["picture_a", "picture_b"]


async def test_a_change_in_the_database_file_is_found(records, tmp_path):
    record = records(1, 2)
    store = LocalEvidence(tmp_path)
    await store.add(record)
    await store.close()
    document = copy.deepcopy(record.document)
    document["policy"]["max_chance"] = 0.5
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE evidence SET document = ?", (json.dumps(document),))
    database.close()
    store = LocalEvidence(tmp_path)
    found = await store.get(record.id)
    await store.close()
    assert found is not None
    assert failing(found) == ["document"]


def test_files_that_were_not_kept_cannot_be_checked_and_nothing_fails(records):
    record = records(1, 2)
    bare = dataclasses.replace(
        record, pictures=dataclasses.replace(record.pictures, a=None, b=None)
    )
    checks = hash_checks(bare)
    assert {check["name"] for check in checks if check["holds"] is None} == {
        *("picture_a", "picture_b")
    }
    assert is_unaltered(checks)


def test_the_same_figures_are_found_again(records):
    record = records(1, 2)
    a, b = records.side(1), records.side(2)
    again = records.maker.examined(a, b, None, None)
    assert figures_check(record, again, "")["holds"] is True


def test_pictures_laid_one_on_the_other_lie_so_again(laid_records):
    source = on_a_floor(1, 101)
    a, b = (laid_records.of(data, "") for data in (source, edited_copy(source)))
    record = laid_records.maker.make(a, b, now=START)
    again = laid_records.maker.examined(a, b, None, None)
    assert figures_check(record, again, "")["holds"] is True
    moved = with_document(
        record, lambda d: d["edited_copy"]["alignment"]["a_in_b"][0].__setitem__(0, 0.5)
    )
    check = figures_check(moved, again, "")
    assert check["holds"] is False
    assert check["detail"].startswith("edited_copy.alignment.a_in_b[0][0]: 0.5 then")


def test_a_figure_that_older_programs_did_not_give_is_no_difference(records):
    record = records(1, 2)
    again = records.maker.examined(records.side(1), records.side(2), None, None)
    older = with_document(record, lambda d: d["edited_copy"].pop("alignment"))
    assert figures_check(older, again, "")["holds"] is True
    without = with_document(record, lambda d: d["edited_copy"].pop("decision"))
    check = figures_check(without, again, "")
    assert check["holds"] is False
    assert check["detail"].startswith("edited_copy.decision: None then")


def test_other_figures_are_named(records):
    record = records(1, 2)
    a, b = records.side(1), records.side(3)
    check = figures_check(record, records.maker.examined(a, b, None, None), "")
    assert check["holds"] is False
    assert "attributes[" in check["detail"]
    assert " then, " in check["detail"]


def test_a_last_digit_makes_no_difference_and_a_verdict_does(records):
    record = records(1, 2)
    a, b = records.side(1), records.side(2)
    again = records.maker.examined(a, b, None, None)
    nudged = with_document(
        record, lambda d: d["verdict"].update(probability=d["verdict"]["probability"] * 1.001)
    )
    assert figures_check(nudged, again, "")["holds"] is True
    other = with_document(record, lambda d: d["verdict"].update(points_required=9))
    check = figures_check(other, again, "")
    assert check["holds"] is False
    assert check["detail"].startswith("verdict.points_required: 9 then")


def test_figures_that_cannot_be_computed_again_say_why(records):
    check = figures_check(records(1, 2), None, "the files were not kept")
    assert (check["holds"], check["detail"]) == (None, "the files were not kept")
