import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.cli.opening import open_workplace, settings_with
from service.cli.serve import _address, _listener

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def served(store):
    """`lapel serve` in a process of its own, its address, and the line it says to try."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve", "--port", "0", "--store", str(store)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    said = process.stdout.readline() + process.stdout.readline()
    yield process, said
    process.kill()
    process.communicate()


def test_it_says_where_it_answers_and_what_to_try(served):
    _, said = served
    address = re.search(r"answers at (http://127\.0\.0\.1:\d+)", said)[1]
    assert httpx.get(f"{address}/readyz").status_code == 200
    line = re.search(r"^Try: (.*)$", said, re.MULTILINE)[1]
    assert address in line
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    assert '"hits":[{"id":' in done.stdout


def test_the_socket_is_known_for_tcp_so_that_answers_are_not_held_back():
    with _listener(settings_with(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_stopping_it_closes_the_store(served, store):
    process, _ = served
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert "Traceback" not in log
    with open_workplace(settings_with(store=store), must_exist=True) as workplace:
        assert workplace.run(workplace.services.catalog.catalogs())


def test_a_taken_port_is_told(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", "--port", port, "--store", tmp_path / "s")
    assert done.code == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in done.err
    assert not (tmp_path / "s").exists()


def test_a_bad_model_file_is_told(run, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    done = run("serve", "--port", 0, "--model", tmp_path / "x.onnx", "--store", tmp_path / "s")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"lapel: {tmp_path / 'x.onnx'} is not a usable")


def test_a_locked_store_is_told(run, tmp_path):
    with open_workplace(settings_with(store=tmp_path / "s")):
        done = run("serve", "--port", 0, "--store", tmp_path / "s")
    assert done.code == 1
    assert "is open in another process" in done.err.splitlines()[-1]


def test_an_option_outranks_its_variable(run, monkeypatch, tmp_path):
    monkeypatch.setenv("LAPEL_HOST", "256.0.0.1")
    done = run("serve", "--port", 0, "--store", tmp_path / "s")
    assert "256.0.0.1" in done.err
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", "--host", "127.0.0.1", "--port", port, "--store", tmp_path / "s")
    assert f"127.0.0.1 port {port}" in done.err


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("shop.local", "http://shop.local:80"),
    ],
)
def test_the_address_shown_is_one_to_go_to(host, shown):
    assert _address(host, 80) == shown
