"""What the Dockerfile would put into an image, replayed in a clean folder without an engine."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.deploy.deployed import REPOSITORY, dockerfile, environment, inherited

pytest.importorskip("setuptools")

TARGETS = ("cpu", "gpu")
targets = pytest.mark.parametrize("target", TARGETS)

BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"

# Runs the image's service in process: stores a garment, searches it, and tells of every file that
# was opened for writing, made, moved or removed on the way.
WATCHED = """
import asyncio, os, pathlib, sys
import httpx
touched, watching = set(), True
def hook(event, arguments):
    if not watching:
        return
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            touched.add(os.fsdecode(path))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "sqlite3.connect"):
        touched.add(os.fsdecode(arguments[0]))
sys.addaudithook(hook)
from service.app import create_app
from service.settings import Settings
async def use():
    app = create_app(Settings())
    async with app.router.lifespan_context(app), httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://lapel"
    ) as client:
        image = pathlib.Path(sys.argv[1]).read_bytes()
        (await client.put("/v1/garments/one", files={"image": image})).raise_for_status()
        query = {"query": {"garment_id": "one"}, "include_self": True}
        found = await client.post("/v1/search", json=query)
        assert found.json()["total"] == 1, found.text
asyncio.run(use())
watching = False
import model, service
print(*sorted(touched), sep="\\n")
print("CODE", service.__path__[0], model.__path__[0])
"""


class Ignored:
    """What .dockerignore keeps out: the last pattern that matches decides."""

    def __init__(self, text: str) -> None:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        self._rules = [(line.startswith("!"), _pattern(line.lstrip("!"))) for line in lines]

    def __call__(self, path: str) -> bool:
        ignored = False
        for kept, pattern in self._rules:
            if pattern.match(path):
                ignored = not kept
        return ignored


def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text.strip("/"))
    translated = escaped.replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return re.compile(f"{translated}(/.*)?$")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a build would be sent."""
    ignored = Ignored((REPOSITORY / ".dockerignore").read_text(encoding="utf-8"))
    place = tmp_path_factory.mktemp("context")
    for path in _files(REPOSITORY):
        if not ignored(path):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / path, place / path)
    return place


def _files(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "runs", "packed", "node_modules")]
        folders[:] = [f for f in folders if not f.startswith(".venv")]
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                yield path.relative_to(root).as_posix()


def build(stage: list[tuple[str, str]], context: Path, work: Path) -> list[Path]:
    """Follow a stage's COPY and RUN lines; each `pip install .` builds a wheel of what is there."""
    wheels = []
    for word, rest in stage:
        if word == "COPY":
            assert not rest.startswith("--"), rest
            *sources, target = rest.split()
            for source in sources:
                _copy(context / source, work / target, into=len(sources) > 1)
        elif word == "RUN" and re.search(r"pip install .*(?<=[ '])\.(\[|'|$)", rest):
            subprocess.run([sys.executable, "-c", BUILD], cwd=work, check=True, capture_output=True)
            (wheel,) = (work / "dist").glob("*.whl")
            wheels.append(wheel.rename(work / f"{len(wheels)}.whl"))
    return wheels


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target = target / source.name if into or target.is_dir() else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def installed(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as the image holds it: the last wheel that the build makes, unpacked."""
    work = tmp_path_factory.mktemp("src")
    wheels = build(inherited(dockerfile(), "build-cpu"), context, work)
    assert len(wheels) == 2, "dependencies first, then the code"
    names = [zipfile.ZipFile(wheel).namelist() for wheel in wheels]
    assert not any(name.endswith(".py") for name in names[0])
    place = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheels[1]).extractall(place)
    return place


def test_the_build_is_sent_the_code_and_nothing_else(context: Path):
    assert {path.name for path in context.iterdir()} == {
        "pyproject.toml",
        "README.md",
        "api_schemas",
        "model",
        "service",
    }
    assert not list(context.rglob("__pycache__"))
    ignored = Ignored((REPOSITORY / ".dockerignore").read_text(encoding="utf-8"))
    assert ignored("tests/conftest.py")
    assert ignored(".git/config")
    assert not ignored("model/weights/lapel.onnx")


def test_the_image_holds_the_model_and_everything_that_is_no_python(installed: Path):
    for name in ("model/weights/lapel.onnx", "model/report/page.css", "service/py.typed"):
        ours, theirs = REPOSITORY / name, installed / name
        assert theirs.read_bytes() == ours.read_bytes(), name
    ours = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "service").rglob("*.py")}
    assert ours == {path.relative_to(installed) for path in (installed / "service").rglob("*.py")}


def test_the_service_runs_from_the_image_and_writes_below_its_store_alone(
    installed: Path, tmp_path: Path, photo: Callable[[int], bytes]
):
    (tmp_path / "photo.png").write_bytes(photo(1))
    store, home = tmp_path / "data", tmp_path / "home"
    home.mkdir()
    image = environment(inherited(dockerfile(), "cpu"))
    assert image["PYTHONDONTWRITEBYTECODE"] == "1"
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path / "photo.png")],
        cwd=tmp_path,
        env={**os.environ, **image, "PYTHONPATH": str(installed), "LAPEL_STORE": str(store)}
        | {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *touched, code = done.stdout.splitlines()
    assert code.split()[1:] == [str(installed / "service"), str(installed / "model")]
    assert touched
    assert [p for p in touched if not Path(p).is_relative_to(store) and p != os.devnull] == []
    # What libraries write behind Python's back, such as the identifier of a telemetry.
    assert list(home.rglob("*")) == []


@targets
def test_the_health_check_tells_a_service_that_answers_from_one_that_does_not(
    target: str, start_server: Callable[..., Server]
):
    (line,) = [r for word, r in inherited(dockerfile(), target) if word == "HEALTHCHECK"]
    command = json.loads(line[line.index("[") :])
    assert command[0] == "python"
    server = start_server()

    def healthy() -> bool:
        program = [sys.executable, *command[1:]]
        environ = os.environ | {"LAPEL_PORT": str(server.port)}
        return subprocess.run(program, env=environ, stderr=subprocess.DEVNULL).returncode == 0

    assert healthy()
    server.kill()
    assert not healthy()


@targets
def test_each_target_has_the_onnxruntime_of_its_name_and_no_other(target: str):
    stages = dockerfile()
    (copied,) = [rest for word, rest in stages[target] if word == "COPY"]
    assert copied == f"--from=build-{target} /opt/lapel /opt/lapel"
    extras = re.findall(r"\.\[(\w+)\]", str(inherited(stages, f"build-{target}")))
    assert extras == [target]


@targets
def test_the_image_is_not_root_and_brings_no_compiler(target: str):
    instructions = inherited(dockerfile(), target)
    users = [rest for word, rest in instructions if word == "USER"]
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0])
    ran = [rest for word, rest in instructions if word == "RUN"]
    assert [line for line in ran if re.search(r"apt|gcc|g\+\+|build-essential|pip", line)] == []
    assert all(word != "COPY" or rest.startswith("--from=build-") for word, rest in instructions)
    assert [rest for word, rest in instructions if word == "VOLUME"] == ["/data"]


def test_a_build_without_a_target_gives_the_one_for_cpus():
    assert list(dockerfile())[-1] == "cpu"
