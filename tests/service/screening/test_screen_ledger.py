from pathlib import Path
from typing import Any

import pytest

from api_schemas.screens import ScreenRequest
from service.catalog.store import StoreLocked
from service.screening import ledger as ledgers
from service.screening.ledger import ScreenLedger
from service.screening.records import Finding, Step
from service.screening.screen import Basis

REQUEST = ScreenRequest.model_validate(
    {
        "designs": {"catalog": "ours"},
        "suspects": {"catalog": "market", "where": {"price": {"lt": 5}}},
        "watch": True,
        "notify": {"url": "https://hooks.example/x"},
    }
)
BASIS = Basis(2, {"max_false_accusation_rate": 0.01}, {"fingerprint": "aaaa"})


@pytest.fixture
def ledger(tmp_path: Path):
    ledger = ScreenLedger(tmp_path)
    yield ledger
    ledger.close()


def finding(design: str, suspect: str, probability: float, picture: str = "p") -> Finding:
    document = {
        "design": {"id": design, "image_sha256": "d"},
        "suspect": {"id": suspect, "image_sha256": picture},
        "probability": probability,
    }
    return Finding(design, suspect, probability, document)


def step(*findings: Finding, after: str = "m", found: int = 0) -> Step:
    return Step(after, 10, 20, findings, max(found, len(findings)), 0.5)


def begun(ledger: ScreenLedger, id: str = "a", request: ScreenRequest = REQUEST) -> None:
    ledger.add(id, request)
    ledger.next()
    ledger.begin(id, BASIS, forget=False)


def names(documents: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["design"]["id"], one["suspect"]["id"]) for one in documents]


def test_how_far_a_screen_is_survives(tmp_path: Path):
    ledger = ScreenLedger(tmp_path)
    begun(ledger)
    assert ledger.advance("a", step(finding("x", "1", 0.9), found=4), 5)
    ledger.close()
    ledger = ScreenLedger(tmp_path)
    screen = ledger.next()
    assert screen is not None
    assert (screen.id, screen.request, screen.basis) == ("a", REQUEST, BASIS)
    assert (screen.after, screen.garments, screen.pairs, screen.found) == ("m", 10, 20, 4)
    assert names(ledger.findings.page("a", 0, 10)) == [("x", "1")]
    ledger.close()


def test_the_best_of_each_design_are_kept_and_listed_by_rank(ledger: ScreenLedger):
    begun(ledger)
    ledger.advance("a", step(finding("x", "1", 0.5), finding("y", "1", 0.6)), 2)
    ledger.advance("a", step(finding("x", "2", 0.9), finding("x", "3", 0.7)), 2)
    assert names(ledger.findings.page("a", 0, 10)) == [("x", "2"), ("x", "3"), ("y", "1")]
    assert names(ledger.findings.page("a", 1, 1)) == [("x", "3")]
    assert ledger.findings.kept("a") == 3


def test_what_was_told_is_told_again_only_when_a_picture_has_changed(ledger: ScreenLedger):
    begun(ledger)
    ledger.advance("a", step(finding("x", "1", 0.5), finding("x", "2", 0.6)), 5)
    ledger.complete("a", "watching")
    first = ledger.outbox.next(0.0)
    assert first is not None
    assert first.body.count(b'"probability"') == 2
    ledger.outbox.sent(first.number)
    ledger.resume("a")
    assert ledger.next() is not None
    again = (finding("x", "1", 0.5), finding("x", "2", 0.6, "new"), finding("x", "3", 0.4))
    ledger.advance("a", step(*again), 5)
    ledger.complete("a", "watching")
    second = ledger.outbox.next(0.0)
    assert second is not None
    assert second.key != first.key
    assert second.body.count(b'"probability"') == 2
    assert b'"id": "1"' not in second.body


def test_a_pass_looks_at_what_was_written_since_the_one_before_began(ledger: ScreenLedger):
    begun(ledger)
    first = ledger.screen("a")
    assert first is not None
    assert first.since == ""
    ledger.complete("a", "watching")
    ledger.resume("a")
    second = ledger.next()
    assert second is not None
    assert first.created_at <= second.since <= second.updated_at


def test_a_cancelled_screen_takes_no_more_steps_and_sends_nothing(ledger: ScreenLedger):
    begun(ledger)
    ledger.advance("a", step(finding("x", "1", 0.5)), 5)
    ledger.complete("a", "watching")
    ledger.finish("a", "cancelled")
    assert not ledger.advance("a", step(), 5)
    assert ledger.outbox.next(0.0) is None
    assert ledger.watching() == []
    screen = ledger.screen("a")
    assert screen is not None
    assert screen.state == "cancelled"


def test_another_model_begins_anew_and_tells_again(ledger: ScreenLedger):
    begun(ledger)
    ledger.advance("a", step(finding("x", "1", 0.5)), 5)
    ledger.complete("a", "watching")
    ledger.resume("a")
    ledger.next()
    ledger.begin("a", Basis(2, BASIS.threshold, {"fingerprint": "bbbb"}), forget=True)
    screen = ledger.screen("a")
    assert screen is not None
    assert (screen.pairs, screen.found, screen.after, ledger.findings.kept("a")) == (0, 0, "", 0)


def test_a_notification_waits_until_it_is_due(ledger: ScreenLedger):
    begun(ledger)
    ledger.advance("a", step(finding("x", "1", 0.5)), 5)
    ledger.complete("a", "watching")
    found = ledger.outbox.next(100.0)
    assert found is not None
    ledger.outbox.put_off(found.number, 200.0)
    assert ledger.outbox.next(199.0) is None
    assert ledger.outbox.next_due() == 200.0
    late = ledger.outbox.next(200.0)
    assert late is not None
    assert (late.key, late.attempts) == (found.key, 1)


def test_old_ended_screens_are_forgotten_with_their_findings(
    ledger: ScreenLedger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ledgers, "MAX_ENDED", 1)
    for id in ("a", "b"):
        begun(ledger, id)
        ledger.advance(id, step(finding("x", "1", 0.5)), 5)
        ledger.complete(id, "done")
    assert [screen.id for screen in ledger.screens(5)] == ["b"]
    assert (ledger.findings.kept("a"), ledger.findings.kept("b")) == (0, 1)


def test_a_folder_of_screens_has_one_owner(ledger: ScreenLedger, tmp_path: Path):
    with pytest.raises(StoreLocked, match="LAPEL_SCREENS_FOLDER"):
        ScreenLedger(tmp_path)
