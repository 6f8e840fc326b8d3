from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from model.training.asen import NetworkConfig  # noqa: E402
from model.training.cost import _operations  # noqa: E402
from model.training.designs.registry import DESIGNS  # noqa: E402

pytestmark = pytest.mark.torch
CONFIG = NetworkConfig(value_counts=(3, 4), backbone="compact16")


@pytest.mark.parametrize("design", DESIGNS)
def test_the_trunk_runs_once_however_many_attributes_there_are(design: str):
    few = _operations(DESIGNS[design].build(CONFIG).eval(), 64)
    many = _operations(DESIGNS[design].build(replace(CONFIG, value_counts=(3,) * 8)).eval(), 64)
    assert 0 < few <= many
    if design != "asen++":  # which looks again at every attribute's own cut-out
        assert many < 2 * few
