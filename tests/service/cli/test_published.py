import re

import numpy as np
import pytest

from model.encoder import SHIPPED_MODEL
from model.pixels import decode_file
from model.protocols.measure import ProtocolQuality
from model.protocols.tasks import Protocol
from tests.model.protocols.published_copies import write_lists, write_stanford, write_zappos

MAPPED = ("--attribute-map", "collar_design=collar", "--attribute-map", "neckline_design=neckline")
NAMES = {
    "skirt_length": "skirt_length",
    "sleeve_length": "sleeve_length",
    "coat_length": "coat_length",
    "pant_length": "pant_length",
    "collar_design": "collar",
    "neckline_design": "neckline",
}


@pytest.fixture(scope="module")
def fashionai(tmp_path_factory):
    return write_lists(Protocol.FASHIONAI, tmp_path_factory.mktemp("published") / "FashionAI")


@pytest.fixture(scope="module")
def zappos(tmp_path_factory):
    return write_zappos(tmp_path_factory.mktemp("published") / "zappos")


def slow_maps(encoder, folder) -> dict[str, list[float]]:
    """Every query's published average precision, from the text files and one picture at a time."""
    names = (folder / "filenames_test.txt").read_text().split()
    published = ["skirt_length", "sleeve_length", "coat_length", "pant_length", "collar_design"]
    published += ["lapel_design", "neckline_design", "neck_design"]
    lists = {
        kind: [
            tuple(map(int, line.split()))
            for line in (folder / f"{kind}_test.txt").read_text().splitlines()
        ]
        for kind in ("query", "candidate")
    }

    def vectors(number):
        pixels = decode_file(folder / names[number], encoder.card.preprocessing)
        return encoder.encode(pixels[None])[0].vectors

    space = {number: vectors(number) for number in range(len(names))}
    precisions: dict[str, list[float]] = {}
    for picture, attribute, value in lists["query"]:
        name = published[attribute]
        own = encoder.card.attribute_names.index(NAMES[name])
        found = [(p, v) for p, a, v in lists["candidate"] if a == attribute]
        found.sort(key=lambda c: -float(space[picture][own] @ space[c[0]][own]))
        right = [v == value for _, v in found]
        hits = [sum(right[: rank + 1]) / (rank + 1) for rank in range(len(right)) if right[rank]]
        precisions.setdefault(name, []).append(sum(hits) / len(hits) if hits else 0.0)
    return precisions


def test_the_table_is_the_published_measure_of_the_served_model(run, encoder, fashionai, tmp_path):
    done = run(
        *("evaluate", SHIPPED_MODEL, "--protocol", "fashionai", "--data", fashionai, *MAPPED),
        *("--json", tmp_path / "q.json"),
    )
    assert done.code == 0, done.err
    quality = ProtocolQuality.model_validate_json((tmp_path / "q.json").read_text())
    slow = slow_maps(encoder, fashionai)
    assert {figure.attribute for figure in quality.figures} == set(slow)
    for figure in quality.figures:
        expected = slow[figure.attribute]
        assert figure.figure == pytest.approx(np.mean(expected))
        assert figure.count == len(expected)
        row = rf"^ *{figure.attribute}.* +{100 * figure.figure:.2f} +{figure.count} "
        assert re.search(row, done.out, re.MULTILINE)
    every = [precision for part in slow.values() for precision in part]
    assert quality.overall == pytest.approx(np.mean(every))
    assert quality.mean == pytest.approx(np.mean([np.mean(part) for part in slow.values()]))
    assert re.search(rf"overall, weighted by queries +{100 * quality.overall:.2f} ", done.out)
    assert "The means are over 6 of 8 attributes" in done.out
    assert "lapel_design, neck_design" in done.out


def test_markdown_has_a_row_for_each_attribute_and_mean(run, fashionai):
    done = run(
        *("evaluate", SHIPPED_MODEL, "--protocol", "fashionai", "--data", fashionai),
        *("--split", "valid", "--markdown"),
    )
    assert done.code == 0, done.err
    rows = [line for line in done.out.splitlines() if line.startswith("|")]
    assert rows[0] == "| attribute | MAP | queries | nothing to find |"
    assert len({row.count("|") for row in rows}) == 1
    assert rows[-2].startswith("| overall, weighted by queries | ")
    assert rows[-1].startswith("| mean over attributes | ")
    assert "Fashionai, valid split" in done.out


def test_zappos_is_told_in_triplets(run, zappos, tmp_path):
    maps = [
        f"--attribute-map={c}={n}" for c, n in (("class", "garment_type"), ("closure", "closure"))
    ]
    done = run(
        *("evaluate", SHIPPED_MODEL, "--protocol", "zappos", "--data", zappos, *maps),
        *("--json", tmp_path / "q.json"),
    )
    assert done.code == 0, done.err
    quality = ProtocolQuality.model_validate_json((tmp_path / "q.json").read_text())
    assert [figure.count for figure in quality.figures] == [7, 7]
    assert (quality.measure, quality.not_measured) == ("triplet accuracy", ("gender", "heel"))
    assert "class (as garment_type)" in done.out
    assert "nothing to find" not in done.out


def test_stanford_is_one_split(run, tmp_path):
    folder = write_stanford(tmp_path / "stanford")
    command = ("evaluate", SHIPPED_MODEL, "--protocol", "stanford", "--data", folder)
    done = run(*command, "--split", "all", "--attribute-map", "sleevelength=sleeve_length")
    assert done.code == 0, done.err
    assert "The means are over 2 of 3 attributes" in done.out
    done = run(*command)
    assert done.code == 1
    assert "stanford has no split 'test' to measure; it has: all" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attribute-map", "collar_design"], "--attribute-map wants the protocol's name, = and"),
        (["--attribute-map", "=collar"], "not '=collar'"),
        ([*MAPPED, "--attribute-map", "collar_design=neckline"], "gives 'collar_design' twice"),
        (["--attribute-map", "collar=collar"], "the protocol has no attribute 'collar'"),
        (["--attribute-map", "neck_design=nape"], "the model has no attribute 'nape'; it has: "),
        (["--split", "train"], "no split 'train' to measure; it has: valid, test"),
        (["--data", "nowhere"], "nowhere is no folder"),
    ],
)
def test_what_cannot_be_measured_says_why(run, fashionai, arguments, message):
    done = run(
        *("evaluate", SHIPPED_MODEL, "--protocol", "fashionai", "--data", fashionai, *arguments)
    )
    assert done.code == 1
    assert message in done.err


def test_a_model_of_other_attributes_is_told_both_lists(run, zappos, tmp_path):
    done = run("evaluate", SHIPPED_MODEL, "--protocol", "darn", "--data", zappos)
    assert done.code == 1
    assert "filenames_test.txt" in done.err
    deepfashion = write_lists(Protocol.DEEPFASHION, tmp_path / "DeepFashion")
    done = run("evaluate", SHIPPED_MODEL, "--protocol", "deepfashion", "--data", deepfashion)
    assert done.code == 1
    assert "texture_related" in done.err
    assert "sleeve_length" in done.err
    assert "say which is which" in done.err


def test_an_attribute_map_without_a_protocol_is_refused(run, table):
    done = run("evaluate", SHIPPED_MODEL, "--data", table, "--attribute-map", "a=b")
    assert done.code == 1
    assert "--attribute-map is for --protocol" in done.err
