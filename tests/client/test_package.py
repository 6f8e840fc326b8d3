"""The client as a package of its own, and the examples in its README."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "client" / "README.md").read_text(encoding="utf-8")
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
ALONE = """
import sys
import lapel_client
assert lapel_client.__file__.startswith(sys.argv[1]), lapel_client.__file__
assert not {"service", "model", "api_schemas", "numpy"} & sys.modules.keys()
with lapel_client.LapelClient("http://127.0.0.1:1") as client:
    assert callable(client.compare)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools")
    work = tmp_path_factory.mktemp("client")
    shutil.copytree(
        REPOSITORY / "client",
        work / "client",
        ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__"),
    )
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=work / "client",
        check=True,
        capture_output=True,
        text=True,
    )
    return work / "client" / "dist" / done.stdout.splitlines()[-1]


def test_the_package_holds_every_module_and_says_that_it_is_typed(wheel: Path):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("lapel_client/")}
    ours = (REPOSITORY / "client" / "lapel_client").iterdir()
    assert names == {f"lapel_client/{path.name}" for path in ours if path.is_file()}
    assert "lapel_client/py.typed" in names


def test_the_package_needs_nothing_of_the_service(wheel: Path, tmp_path: Path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    subprocess.run([sys.executable, "-c", ALONE, str(tmp_path)], cwd=tmp_path, check=True)


def test_what_is_imported_is_declared(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    text = archive.read(metadata).decode()
    declared = set(re.findall(r"^Requires-Dist: ([\w-]+)", text, re.MULTILINE))
    imported = {
        found
        for name in archive.namelist()
        if name.endswith(".py")
        for found in re.findall(
            r"^(?:from|import) (\w+)", archive.read(name).decode(), re.MULTILINE
        )
    }
    assert imported - sys.stdlib_module_names - {"lapel_client"} == declared


def test_the_examples_of_the_readme_run_and_print_what_it_says(
    service_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(REPOSITORY)
    names: dict[str, object] = {}
    for code, printed in blocks:
        exec(code.replace("http://127.0.0.1:8000", service_url), names)
        lines = capsys.readouterr().out.splitlines()
        # Figures, and what they put first, change with the model; what is shown does not.
        assert sorted(line.split()[0] for line in lines) == sorted(
            line.split()[0] for line in printed.splitlines()
        )
