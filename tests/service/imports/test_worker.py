import asyncio
import itertools
from pathlib import Path

import pytest

from service.imports.local_ledger import LocalLedger
from service.imports.worker import Worker
from service.jobs import work_loop
from service.services import Services


async def test_a_fault_of_the_disk_is_survived(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The ledger fails twice in ways that nobody foresaw; what waits is then carried out."""
    monkeypatch.setattr(work_loop, "FIRST_PAUSE_S", 0.01)
    ledger = LocalLedger(tmp_path / "ledger")
    next_job, calls = ledger.next_job, itertools.count()
    worked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def failing() -> object:
        if next(calls) < 2:
            raise OSError("input/output error")
        loop.call_soon_threadsafe(worked.set)
        return next_job()

    monkeypatch.setattr(ledger, "next_job", failing)
    task = asyncio.create_task(Worker(ledger, tmp_path.joinpath, services).run())
    async with asyncio.timeout(30):
        await worked.wait()
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    ledger.close()
