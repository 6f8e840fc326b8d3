"""`lapel reindex --to`, on a store of its own and through a running service."""

import shutil
from pathlib import Path

import pytest
from other_model import write_other_model

from model.encoder import SHIPPED_MODEL
from service.cli.opening import open_workplace, settings_with
from service.switching.one_model import fingerprint_of


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_other_model(tmp_path_factory.mktemp("other") / "other.onnx")


def test_a_store_changes_its_model_and_keeps_to_it(run, store, other):
    old, new = (fingerprint_of(path.read_bytes()) for path in (SHIPPED_MODEL, other))
    done = run("reindex", "--to", other, "--store", store)
    assert (done.code, done.out) == (0, f"model {new} answers; 12 garments have its vectors\n")
    assert {file.name for file in (store / "models").iterdir()} == {f"{new}.onnx"}
    with open_workplace(settings_with(store=store)) as workplace:
        services = workplace.services
        assert services.encoder.fingerprint == new
        assert workplace.run(services.catalog.stale()) == 0
        assert workplace.run(services.changes.now()).roles.previous == ""
    again = run("reindex", "--to", other, "--store", store)
    assert (again.code, again.out) == (0, f"model {new} answers; 12 garments have its vectors\n")
    back = run("reindex", "--to", SHIPPED_MODEL, "--store", store)
    assert (back.code, back.out) == (0, f"model {old} answers; 12 garments have its vectors\n")


def test_garments_without_a_picture_hold_the_change_until_forced_or_given_up(
    run, store, other, tmp_path, pictures, monkeypatch
):
    old, new = (fingerprint_of(path.read_bytes()) for path in (SHIPPED_MODEL, other))
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(pictures[0], bare / "extra.png")
    with monkeypatch.context() as patched:
        patched.setenv("LAPEL_STORE_IMAGES", "false")
        run("index", bare, "--store", store)
    held = run("reindex", "--to", other, "--store", store)
    assert held.code == 1
    assert f"(default/extra); model {old} still answers" in held.out
    given_up = run("reindex", "--give-up", "--store", store)
    assert given_up.out == f"nothing is being built; model {old} answers\n"
    forced = run("reindex", "--to", other, "--force", "--store", store)
    assert (forced.code, forced.out) == (0, f"model {new} answers; 12 garments have its vectors\n")


def test_a_running_service_changes_its_model_when_told(
    run, start_server, store, other, monkeypatch
):
    new = fingerprint_of(other.read_bytes())
    server = start_server(store=store, admin_token="secret")
    with monkeypatch.context() as patched:
        refused = run("reindex", "--to", other, "--url", server.url)
        assert refused.code == 1
        assert "answers 401: send the token" in refused.err
        patched.setenv("LAPEL_ADMIN_TOKEN", "secret")
        locked = run("reindex", "--to", other, "--store", store)
        assert locked.code == 1
        assert "have the running service change it with --url" in locked.err
        done = run("reindex", "--to", other, "--url", server.url)
    assert (done.code, done.out) == (0, f"model {new} answers; 12 garments have its vectors\n")


def test_options_without_a_model_are_refused(run, store):
    for options in (["--force"], ["--url", "http://127.0.0.1:1"]):
        done = run("reindex", *options, "--store", store)
        assert done.code == 1
        assert "--url and --force go with --to" in done.err
    done = run("reindex", "--give-up", "--url", "nowhere")
    assert "give an address like" in done.err
