from collections import Counter
from pathlib import Path

import pytest

from service.catalog.store import StoreError, StoreLocked
from service.imports import local_ledger
from service.imports.local_ledger import DATABASE, LocalLedger
from service.imports.records import Fault, ImportOptions, Step

OPTIONS = ImportOptions("shop", "EUR", refetch=True)
FAULT = Fault(3, "a", None, "duplicate_id", "twice")


@pytest.fixture
def ledger(tmp_path: Path):
    ledger = LocalLedger(tmp_path)
    yield ledger
    ledger.close()


def test_jobs_are_done_in_the_order_they_came_and_the_first_until_it_ends(ledger: LocalLedger):
    for id in ("b", "a"):
        ledger.add(id, OPTIONS, "google-text")
    for _ in range(2):
        job = ledger.next_job()
        assert job is not None
        assert (job.id, job.state, job.options, job.format) == (
            "b",
            "running",
            OPTIONS,
            "google-text",
        )
    ledger.finish("b", "done")
    job = ledger.next_job()
    assert job is not None
    assert job.id == "a"
    ledger.finish("a", "failed", "why")
    assert ledger.next_job() is None
    assert [(j.id, j.state, j.progress, j.detail) for j in ledger.jobs(5)] == [
        ("a", "failed", 0.0, "why"),
        ("b", "done", 1.0, None),
    ]


def test_steps_add_up_and_survive(tmp_path: Path):
    ledger = LocalLedger(tmp_path)
    ledger.add("a", OPTIONS, "google-text")
    assert not ledger.advance("a", Step(1))  # not running yet
    ledger.next_job()
    assert ledger.advance("a", Step(10, Counter(created=4, fetched=5), (FAULT,), 0.25))
    assert ledger.advance("a", Step(20, Counter(created=1, failed=2), (FAULT, FAULT), 0.5))
    ledger.hold("a", "the store is away")
    ledger.close()
    ledger = LocalLedger(tmp_path)
    job = ledger.next_job()
    assert job is not None
    assert (job.entries, job.progress, job.faults) == (20, 0.5, 3)
    assert job.counts == {"created": 5, "fetched": 5, "failed": 2}
    assert job.detail == "the store is away"
    assert ledger.faults("a", 1, 10) == [FAULT, FAULT]
    ledger.close()


def test_a_job_that_was_cancelled_takes_no_more_steps_and_stays_cancelled(ledger: LocalLedger):
    ledger.add("a", OPTIONS, "google-text")
    ledger.next_job()
    ledger.finish("a", "cancelled")
    assert not ledger.advance("a", Step(10, Counter(created=4), (FAULT,)))
    ledger.finish("a", "done")
    job = ledger.job("a")
    assert job is not None
    assert (job.state, job.entries, job.faults) == ("cancelled", 0, 0)
    assert ledger.faults("a", 0, 10) == []


def test_old_ended_jobs_are_forgotten_with_their_faults(
    ledger: LocalLedger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local_ledger, "MAX_ENDED", 2)
    ledger.add("open", OPTIONS, "google-text")
    ledger.next_job()
    for id in ("a", "b", "c"):
        ledger.add(id, OPTIONS, "google-text")
        ledger.finish(id, "cancelled")
    assert [job.id for job in ledger.jobs(10)] == ["c", "b", "open"]


def test_a_delivery_is_known_by_shop_and_key_also_after_it_was_carried_out(ledger: LocalLedger):
    def receive(shop, key, body=b"{}"):
        return ledger.receive(shop, key, "topic", "shop", None, body)

    assert receive("shopify", "1", b"first")
    assert not receive("shopify", "1", b"again")
    assert receive("woocommerce", "1", b"other shop")
    received = ledger.next_delivery()
    assert received is not None
    assert received.body == b"first"
    ledger.deliver(received.number)
    assert not receive("shopify", "1")
    received = ledger.next_delivery()
    assert received is not None
    assert (received.shop, received.body) == ("woocommerce", b"other shop")


def test_carried_out_deliveries_are_forgotten_in_time_and_waiting_ones_never(
    ledger: LocalLedger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local_ledger, "REMEMBERED", -local_ledger.REMEMBERED)
    for key in ("1", "2"):
        ledger.receive("shopify", key, "topic", "shop", None, b"{}")
    first = ledger.next_delivery()
    assert first is not None
    ledger.deliver(first.number)
    assert ledger.receive("shopify", "1", "topic", "shop", None, b"{}")
    assert not ledger.receive("shopify", "2", "topic", "shop", None, b"{}")


def test_a_folder_has_one_owner(ledger: LocalLedger, tmp_path: Path):
    with pytest.raises(StoreLocked, match="LAPEL_IMPORTS_FOLDER"):
        LocalLedger(tmp_path)


def test_a_file_that_is_no_ledger_is_refused_and_the_folder_let_go(tmp_path: Path):
    (tmp_path / DATABASE).write_bytes(b"no database" * 200)
    for _ in range(2):
        with pytest.raises(StoreError, match=DATABASE):
            LocalLedger(tmp_path)
