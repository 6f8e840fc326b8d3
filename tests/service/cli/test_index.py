import hashlib
import shutil

import httpx
import pytest

from service.cli.destinations import RemoteCatalog
from service.cli.failures import CommandError
from service.cli.opening import open_workplace, settings_with

BAD = b"no picture"


@pytest.fixture
def photos(pictures, tmp_path):
    folder = tmp_path / "photos"
    for number, file in enumerate(pictures[:3]):
        (folder / str(number)).mkdir(parents=True)
        shutil.copy(file, folder / str(number) / file.name)
    return folder


def listed(store, catalog="default"):
    with open_workplace(settings_with(store=store)) as workplace:
        records = workplace.run(workplace.services.catalog.list(catalog, None, 100))
        return {record.id: record for record in records}


def test_a_folder_is_stored_with_its_pictures(run, photos, tmp_path):
    done = run("index", photos, "--store", tmp_path / "s", "--catalog", "mine")
    assert (done.code, done.out) == (0, "3 created, 0 replaced, 0 unchanged, 0 failed\n")
    files = {f"{file.parent.name}-{file.stem}": file for file in photos.rglob("*.*")}
    stored = listed(tmp_path / "s", "mine")
    assert {id: record.image_sha256 for id, record in stored.items()} == {
        id: hashlib.sha256(file.read_bytes()).hexdigest() for id, file in files.items()
    }


def test_indexing_again_does_nothing(run, photos, tmp_path):
    run("index", photos, "--store", tmp_path / "s")
    before = listed(tmp_path / "s")
    done = run("index", photos, "--store", tmp_path / "s")
    assert (done.code, done.out) == (0, "0 created, 0 replaced, 3 unchanged, 0 failed\n")
    after = listed(tmp_path / "s")
    assert {id: r.updated_at for id, r in after.items()} == {
        id: r.updated_at for id, r in before.items()
    }


def test_an_interrupted_run_goes_on_where_it_was(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("service.cli.index.TOGETHER", 1)
    monkeypatch.setattr("service.cli.index._read", interrupting(after=2))
    with pytest.raises(Stopped):
        run("index", photos, "--store", tmp_path / "s")
    monkeypatch.undo()
    done = run("index", photos, "--store", tmp_path / "s")
    assert done.out.startswith("1 created, 0 replaced, 2 unchanged")


def test_a_changed_picture_is_stored_anew(run, photos, pictures, tmp_path):
    run("index", photos, "--store", tmp_path / "s")
    changed = next(photos.rglob("*.*"))
    shutil.copy(pictures[5], changed)
    done = run("index", photos, "--store", tmp_path / "s")
    assert done.out == "0 created, 1 replaced, 2 unchanged, 0 failed\n"
    stored = listed(tmp_path / "s")[f"{changed.parent.name}-{changed.stem}"]
    assert stored.image_sha256 == hashlib.sha256(pictures[5].read_bytes()).hexdigest()


def test_changed_metadata_are_stored_and_a_folder_leaves_them(run, pictures, tmp_path):
    table = tmp_path / "t.csv"
    for price in (5, 6):
        table.write_text(f"id,file,price\n{pictures[0].stem},{pictures[0]},{price}\n")
        run("index", table, "--store", tmp_path / "s")
    assert listed(tmp_path / "s")[pictures[0].stem].metadata == {"price": 6}
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(pictures[0], folder)
    done = run("index", folder, "--store", tmp_path / "s")
    assert done.out == "0 created, 0 replaced, 1 unchanged, 0 failed\n"


def test_a_file_that_cannot_be_used_is_named_and_the_rest_is_stored(
    run, photos, tmp_path, monkeypatch
):
    (photos / "bad.jpg").write_bytes(BAD)
    (photos / "large.png").write_bytes(bytes(2 << 20))
    monkeypatch.setenv("LAPEL_MAX_IMAGE_MIB", "1")
    done = run("index", photos, "--store", tmp_path / "s")
    assert (done.code, done.out) == (1, "3 created, 0 replaced, 0 unchanged, 2 failed\n")
    assert f"skipped {photos / 'bad.jpg'}: the file is not a JPEG" in done.err
    assert f"skipped {photos / 'large.png'}: 2097152 bytes; 1048576 are allowed" in done.err


def test_a_store_in_use_is_told_with_the_way_around_it(run, photos, tmp_path):
    with open_workplace(settings_with(store=tmp_path / "s")):
        done = run("index", photos, "--store", tmp_path / "s")
    assert done.code == 1
    assert "--url http://127.0.0.1:8000" in done.err.splitlines()[-1]


def test_garments_go_through_a_running_service(run, photos, tmp_path, start_server):
    server = start_server()
    (photos / "bad.jpg").write_bytes(BAD)
    arguments = ("index", photos, "--url", server.url, "--catalog", "mine")
    first, second = run(*arguments), run(*arguments)
    assert (first.code, first.out) == (1, "3 created, 0 replaced, 0 unchanged, 1 failed\n")
    assert f"skipped {photos / 'bad.jpg'}: " in first.err
    assert second.out == "0 created, 0 replaced, 3 unchanged, 1 failed\n"
    catalogs = httpx.get(f"{server.url}/v1/catalogs").json()["catalogs"]
    assert catalogs == [{"name": "mine", "garments": 3}]


def test_a_service_that_refuses_is_quoted(run, photos, start_server):
    server = start_server()
    done = run("index", photos, "--url", server.url, "--catalog", "Not A Name")
    assert done.code == 1
    assert f"{server.url} answers 422: " in done.err


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://"])
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(CommandError, match="give an address like"):
        RemoteCatalog(url, "default")


class Stopped(Exception):  # noqa: N818
    pass


def interrupting(after):
    from service.cli.index import _read

    left = iter(range(after))

    def read(file, max_image_bytes):
        if next(left, None) is None:
            raise Stopped
        return _read(file, max_image_bytes)

    return read
