import re
from xml.etree import ElementTree

import numpy as np
import pytest

from model.report.roc import LEAST_RATE, Curve, picture, roc

SVG = "{http://www.w3.org/2000/svg}"
RNG = np.random.default_rng(0)
UNRELATED = RNG.normal(0, 1, 2000)
SURE, UNSURE = RNG.normal(3, 1, 300), RNG.normal(1, 1, 300)


def drawn(curves):
    text = picture(UNRELATED, curves, title="Found", notes=["a note"])
    return ElementTree.fromstring(text)


def test_points_are_counted_at_the_threshold_that_a_rate_needs():
    falling = sorted(UNRELATED, reverse=True)
    for rate, share in roc(UNRELATED, SURE).tolist():
        threshold = falling[min(len(falling) - 1, int(rate * len(falling)))]
        assert share == sum(score > threshold for score in SURE) / len(SURE)
        assert sum(score > threshold for score in UNRELATED) / len(UNRELATED) <= rate + 1e-12


def test_curves_rise_from_the_least_rate_to_one():
    points = roc(UNRELATED, UNSURE)
    assert points[0, 0] == pytest.approx(LEAST_RATE)
    assert points[-1, 0] == 1.0
    assert (np.diff(points[:, 1]) >= 0).all()


def test_pairs_without_a_score_are_never_found():
    assert roc(UNRELATED, np.array([np.nan, 9.0]))[:, 1].max() == 0.5


def test_the_surer_kind_is_drawn_above():
    svg = drawn([Curve("sure", SURE), Curve("unsure", UNSURE)])
    lines = [p for p in svg.iter(f"{SVG}path") if p.get("class") == "line"][:2]
    sure, unsure = (
        [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", line.get("d"))] for line in lines
    )
    assert all(a <= b for a, b in zip(sure, unsure, strict=True))
    assert sum(sure) < sum(unsure)


def test_lines_differ_in_more_than_colour():
    svg = drawn([Curve(f"kind {number}", SURE) for number in range(5)])
    lines = [p for p in svg.iter(f"{SVG}path") if p.get("class") == "line"]
    assert len({line.get("stroke-dasharray") for line in lines}) == 5
    texts = [text.text for text in svg.iter(f"{SVG}text")]
    assert {f"kind {number}" for number in range(5)} <= set(texts)
    assert "a note" in texts


def test_a_policy_is_marked_where_it_stands():
    marked = drawn([Curve("sure", SURE, mark=(0.01, 0.4))])
    plain = drawn([Curve("sure", SURE)])
    marks = [
        {p.get("transform") for p in svg.iter(f"{SVG}path") if p.get("class") == "mark"}
        for svg in (marked, plain)
    ]
    (added,) = marks[0] - marks[1]
    x, y = map(float, re.findall(r"[\d.]+", added))
    ticks = {text.text: text for text in marked.iter(f"{SVG}text") if text.get("class") == "tick"}
    assert x == pytest.approx(float(ticks["1 %"].get("x")))
    assert y + 4 == pytest.approx(float(ticks["0.4"].get("y")), abs=0.2)


def test_no_unrelated_pairs_make_no_picture():
    with pytest.raises(ValueError, match="needs unrelated pairs"):
        picture(np.empty(0), [], title="", notes=[])


def test_it_names_itself_with_what_is_found():
    assert re.search(r"sure: 0\.\d{3} at 1 %", drawn([Curve("sure", SURE)]).get("aria-label"))
