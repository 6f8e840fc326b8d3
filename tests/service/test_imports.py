import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def fresh_interpreter(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_service_runs_without_torch():
    # `None` in sys.modules makes an import of that name fail, as where torch is not installed.
    program = """
import sys
sys.modules["torch"] = sys.modules["torchvision"] = None
import service.app
from service.settings import Settings
service.app.create_app(Settings())
assert not [name for name in sys.modules if name.startswith("model.training")]
"""
    fresh_interpreter(program)


def test_importing_the_service_leaves_torch_unloaded():
    fresh_interpreter("import service.app, sys; assert 'torch' not in sys.modules")


def test_importing_the_service_reads_no_setting_and_configures_no_logging():
    program = """
import logging, os
os.environ["LAPEL_PORT"] = "not a number"
import service.app
assert not logging.getLogger().handlers
"""
    fresh_interpreter(program)
