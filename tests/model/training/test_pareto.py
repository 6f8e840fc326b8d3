"""The picture of what quality costs, from records like those that comparing designs leaves."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from api_schemas.card import Quality
from model.encoder import SHIPPED_MODEL, Encoder
from model.training.pareto import candidates_of, main, read_outcomes

pytestmark = pytest.mark.torch
MAPS = {"plain": (0.40, 0.43, 0.46), "large": (0.50,)}
MILLISECONDS = {"plain": 4.0, "large": 30.0}


@pytest.fixture(scope="module")
def quality(encoder: Encoder) -> Quality:
    """What the shipped model's card says of its test split."""
    return next(each for each in encoder.card.quality if each.split == "test")


def write_table(path: Path, quality: Quality) -> Path:
    records = [
        {
            "design": design,
            "cost": {"parameters": 10, "gflops": 0.5, "milliseconds": MILLISECONDS[design]},
            "qualities": [
                {**quality.model_dump(), "mean_map_other_photographers": figure}
                for figure in figures
            ],
        }
        for design, figures in MAPS.items()
    ]
    path.write_text(json.dumps(records))
    return path


@pytest.fixture
def table(tmp_path: Path, quality: Quality) -> Path:
    return write_table(tmp_path / "table.json", quality)


def test_designs_stand_at_their_mean_with_the_spread_of_their_seeds(table: Path) -> None:
    plain, large = candidates_of(read_outcomes(table), {}, {})
    assert plain.quality == pytest.approx(0.43)
    assert plain.spread == pytest.approx(np.std(MAPS["plain"], ddof=1))
    assert (large.quality, large.spread) == (0.50, None)
    assert [plain.cost, large.cost] == list(MILLISECONDS.values())


def test_a_model_file_stands_at_what_its_card_says(table: Path, quality: Quality) -> None:
    *_, own = candidates_of(read_outcomes(table), {"lapel.onnx": SHIPPED_MODEL}, {})
    assert own.quality == pytest.approx(quality.mean_map_other_photographers)
    assert own.own
    assert own.cost > 0


def test_only_the_attributes_that_the_rivals_have_count(tmp_path: Path, quality: Quality) -> None:
    collar = quality.attributes["collar"]
    fewer = quality.model_copy(update={"attributes": {"collar": collar}})
    outcomes = read_outcomes(write_table(tmp_path / "t.json", fewer))
    *_, own = candidates_of(outcomes, {"m": SHIPPED_MODEL}, {})
    assert own.quality == pytest.approx(collar.retrieval.map_other_photographers)


def test_times_taken_anew_replace_those_of_the_table(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centuries = "4e12"
    table.write_text(
        table.read_text().replace('"milliseconds": 4.0', f'"milliseconds": {centuries}')
    )
    for design in MAPS:
        (tmp_path / design).mkdir()
        (tmp_path / design / "seed-0.onnx").symlink_to(SHIPPED_MODEL)
    line = ["--rivals", str(table), "--out", str(tmp_path / "p.svg")]
    main(line)
    assert f"plain: 0.430 in {float(centuries):.2f} ms" in capsys.readouterr().out
    main([*line, "--retime"])
    found = re.search(r"plain: 0.430 in ([\d.]+) ms", capsys.readouterr().out)
    assert found is not None
    assert float(found[1]) < float(centuries)


def test_the_picture_names_all_and_says_what_was_measured(
    table: Path, tmp_path: Path, quality: Quality, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.svg"
    main(["--rivals", str(table), "--models", str(SHIPPED_MODEL), "--out", str(out)])
    text = out.read_text()
    for words in (
        *("plain", "large", SHIPPED_MODEL.name, "CPU milliseconds per image"),
        f"test split, {quality.images} images, {len(quality.attributes)} attributes",
        "standard deviation over 1 or 3 seeds",
    ):
        assert words in text
    said = capsys.readouterr().out
    assert "plain: 0.430 in 4.00 ms" in said
    assert said.rstrip().endswith(str(out))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": 3}, "was measured on 584 images of 'test', the rivals on 3"),
        ({"split": "other"}, "was not measured on split 'other'; it has valid, test"),
    ],
)
def test_a_model_measured_on_something_else_is_refused(
    tmp_path: Path,
    quality: Quality,
    changed: dict[str, object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = write_table(tmp_path / "t.json", quality.model_copy(update=changed))
    refused(["--rivals", str(table), "--models", str(SHIPPED_MODEL)], tmp_path)
    said = capsys.readouterr().err
    assert re.search(message.replace("584", r"\d+"), said)


def refused(arguments: list[str], folder: Path) -> None:
    out = folder / "refused.svg"
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--out", str(out)])
    assert stopped.value.code == 1
    assert not out.exists()


def test_a_model_lacking_an_attribute_of_the_rivals_is_refused(
    tmp_path: Path, quality: Quality, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {**quality.attributes, "lining": quality.attributes["collar"]}
    table = write_table(tmp_path / "t.json", quality.model_copy(update={"attributes": more}))
    refused(["--rivals", str(table), "--models", str(SHIPPED_MODEL)], tmp_path)
    assert "was not measured for lining" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is no table of model.training.rivals: the whole"),
        ('[{"design": "a"}]', "0.qualities: Field required"),
        ("[]", "has no design"),
        ("not json", "is no table"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.json"
    table.write_text(content)
    refused(["--rivals", str(table)], tmp_path)
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_files_of_one_name_and_missing_ones_are_told(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["--rivals", str(table), "--models", *[str(SHIPPED_MODEL)] * 2], tmp_path)
    assert "more than one is lapel.onnx" in capsys.readouterr().err
    refused(["--rivals", str(table), "--retime"], tmp_path)
    assert "no seed-*.onnx in" in capsys.readouterr().err
    refused(["--rivals", str(tmp_path / "none.json")], tmp_path)
    assert "none.json" in capsys.readouterr().err
