"""A writing process is killed with SIGKILL, again and again, in the same folder."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from catalog_samples import garment, opened

from service.catalog.store import Query

BATCH = 8
WRITER = """
import asyncio, sys
from pathlib import Path
from catalog_samples import garment, opened

async def write(catalog, turn, lane):
    for n in range(10**6):
        name = f"{turn}-{lane}-{n}"
        image = name.encode() * 2000
        batch = [garment(f"{name}-{i}", {"batch": name}, image=image) for i in range(BATCH)]
        await catalog.put("shop", batch)
        print("put", name, flush=True)
        if n % 5 == 4:
            await catalog.delete("shop", f"{turn}-{lane}-{n - 1}-0")
            print("deleted", f"{turn}-{lane}-{n - 1}-0", flush=True)

async def main():
    async with opened(Path(sys.argv[1])) as catalog:
        await asyncio.gather(*(write(catalog, sys.argv[2], lane) for lane in range(4)))

asyncio.run(main())
"""


def write_until_killed(folder: Path, turn: int, lines: int) -> list[list[str]]:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[2])])
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER.replace("BATCH", str(BATCH)), str(folder), str(turn)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    with writer:
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    return [line.split() for line in said if line.endswith("\n")]


async def test_kill_loses_nothing_acknowledged_and_leaves_no_half_batch(tmp_path):
    put, deleted = set(), set()
    for turn in range(6):
        said = write_until_killed(tmp_path, turn, lines=5 + 7 * turn)
        assert len(said) >= 5 + 7 * turn
        put |= {name for what, name in said if what == "put"}
        deleted |= {name for what, name in said if what == "deleted"}
        async with opened(tmp_path) as catalog:
            stored = await catalog.list("shop", None, 10**6)
            batches = {}
            for record in stored:
                batches.setdefault(record.metadata["batch"], set()).add(record.id)
            assert put <= set(batches)
            assert not deleted & {record.id for record in stored}
            for name, ids in batches.items():
                whole = {f"{name}-{i}" for i in range(BATCH)}
                # A deletion may have been committed without its answer having been heard.
                assert whole - ids <= {f"{name}-0"}
                assert await catalog.image("shop", f"{name}-1") == name.encode() * 2000
            for record in stored[:: max(1, len(stored) // 20)]:
                assert np.array_equal(record.vectors, garment(record.id).vectors)
            everything = Query(np.ones((1, 8), np.float32), (0,), (1.0,), limit=1)
            assert (await catalog.search("shop", everything)).total == len(stored)
