"""The comparison of designs on drawn garments, small enough to run in seconds."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402

from api_schemas.card import ModelCard, Quality  # noqa: E402
from model.encoder import Encoder  # noqa: E402
from model.training.cost import Cost  # noqa: E402
from model.training.rivals import Outcome, main, markdown  # noqa: E402
from model.training.runs import load_run  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("shallow_trunks")]


@pytest.fixture(scope="module")
def line(
    first_garments: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    data, out = first_garments(60), tmp_path_factory.mktemp("rivals")
    options = "--attributes color --epochs 1 --input-size 32 --batch-size 16 --min-value-count 1"
    arguments = ["--data", str(data), "--out", str(out), *options.split(), "--device", "cpu"]
    return [*arguments, "--designs", "global", "--seeds", "0", "1"]


@pytest.fixture(scope="module")
def out(line: list[str], shallow_trunks: None) -> Path:
    main(line)
    return Path(line[line.index("--out") + 1])


def test_the_table_says_what_the_files_say(out: Path) -> None:
    cards = [Encoder.load(out / "global" / f"seed-{seed}.onnx").card for seed in (0, 1)]
    figures = [on_test(card).mean_map_other_photographers for card in cards]
    spread = abs(figures[0] - figures[1]) / 2**0.5  # standard deviation of two
    table = (out / "table.md").read_text()
    assert f"| mean | {np.mean(figures):.3f} ± {spread:.3f} |  |" in table
    assert "test split" in table
    (record,) = json.loads((out / "table.json").read_text())
    assert [q["mean_map_other_photographers"] for q in record["qualities"]] == figures


def on_test(card: ModelCard) -> Quality:
    return next(quality for quality in card.quality if quality.split == "test")


def test_cost_is_counted_on_the_exported_network(out: Path) -> None:
    (record,) = json.loads((out / "table.json").read_text())
    file = out / "global" / "seed-0.onnx"
    numbers = [onnx.numpy_helper.to_array(t) for t in onnx.load(file).graph.initializer]
    floats = sum(array.size for array in numbers if array.dtype == np.float32)
    assert record["cost"]["parameters"] == floats
    products = 0

    def count(layer: "torch.nn.Module", _: object, answer: "torch.Tensor") -> None:
        nonlocal products
        per_output = layer.weight[0].numel()
        products += answer.numel() * per_output

    network = load_run(out / "global" / "seed-0").network
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    visibility = network.visibility.weight.numel()
    assert record["cost"]["gflops"] == pytest.approx(2 * (products + visibility) / 1e9)


def test_what_is_finished_is_not_trained_again(out: Path, line: list[str]) -> None:
    files = sorted(out.glob("global/**/*"))
    before = [file.stat().st_mtime_ns for file in files]
    main(line)
    assert sorted(out.glob("global/**/*")) == files
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--epochs", "2"], "another configuration"),
        (["--designs", "vae"], "unknown design 'vae'"),
        (["--split", "valid", "--attributes", "hem"], "no column"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    out: Path,
    line: list[str],
    changed: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*line, *changed])
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_designs_stand_side_by_side(out: Path) -> None:
    quality = on_test(Encoder.load(out / "global" / "seed-0.onnx").card)
    costs = [Cost(1_234_567, 0.25, 3.456), Cost(2_000_000, 0.5, 7.0)]
    outcomes = [Outcome(n, (quality,), c) for n, c in zip("ab", costs, strict=True)]
    lines = markdown(outcomes).splitlines()
    color = quality.attributes["color"]
    found = f"{color.retrieval.map_other_photographers:.3f}"
    by_chance = f"{color.retrieval_random_order.map_other_photographers:.3f}"
    assert lines[:3] == [
        "| cross-photographer MAP | a | b | random |",
        "| --- | ---: | ---: | ---: |",
        f"| color | {found} | {found} | {by_chance} |",
    ]
    assert "| parameters, millions | 1.23 | 2.00 |  |" in lines
    assert "| GFLOPs per image | 0.250 | 0.500 |  |" in lines
    assert "| CPU ms per image, one thread | 3.46 | 7.00 |  |" in lines
