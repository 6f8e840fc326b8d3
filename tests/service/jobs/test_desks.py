import asyncio
from pathlib import Path

import pytest

from service.jobs.desks import at_work, new_id, open_ledger
from service.jobs.ledger_file import LedgerFile

SCHEMA = "CREATE TABLE IF NOT EXISTS jobs (id TEXT)"


def jobs_in(folder: Path) -> LedgerFile:
    return LedgerFile(folder / "jobs.db", SCHEMA, what="jobs", setting="FOLDER")


async def test_a_folder_of_another_leaves_the_rest_without_a_ledger(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with open_ledger(jobs_in, tmp_path, without="jobs in the background") as first:
        assert first is not None
        async with open_ledger(jobs_in, tmp_path, without="jobs in the background") as second:
            assert second is None
    assert "no jobs in the background: " in caplog.text
    assert str(tmp_path) in caplog.text


async def test_a_ledger_lets_go_of_its_folder_also_when_what_uses_it_fails(tmp_path: Path):
    with pytest.raises(RuntimeError, match="something else"):
        async with open_ledger(jobs_in, tmp_path, without="jobs"):
            raise RuntimeError("something else")
    async with open_ledger(jobs_in, tmp_path, without="jobs") as again:
        assert again is not None


async def test_a_worker_runs_as_long_as_the_context_and_no_longer():
    class Worker:
        state = "idle"

        async def run(self) -> None:
            self.state = "working"
            try:
                await asyncio.Event().wait()
            finally:
                self.state = "stopped"

    worker = Worker()
    async with at_work(worker, "jobs"):
        await asyncio.sleep(0)
        assert worker.state == "working"
        assert "jobs" in {task.get_name() for task in asyncio.all_tasks()}
    assert worker.state == "stopped"


def test_jobs_have_names_of_their_own_that_tell_when():
    ids = [new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    days = [id.split("-")[0] for id in ids]
    assert days == sorted(days)
