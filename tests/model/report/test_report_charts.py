import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from model.metrics import ReliabilityBin
from model.report import charts
from model.report.charts import MAP_MARGIN, MAP_WIDTH, SHAPES, Mark
from model.report.findings import Point


def parsed(svg):
    return ElementTree.fromstring(svg)


def test_a_bar_is_as_long_as_its_share_and_marks_stand_at_theirs():
    svg = parsed(charts.bar("MAP", 0.5, [Mark("random order", 0.25, dashed=True)]))
    width = float(svg.find("rect[@class='track']").get("width"))
    assert float(svg.find("rect[@class='bar']").get("width")) == width / 2
    path = svg.find("path[@class='mark dashed']").get("d")
    assert float(re.match(r"M([\d.]+) ", path)[1]) == pytest.approx(width / 4, abs=0.05)


def test_a_bar_says_its_figures_to_those_who_cannot_see_it():
    svg = parsed(charts.bar("MAP", 0.5, [Mark("random order", 0.25)]))
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "MAP 0.500, random order 0.250")


def test_kept_promises_lie_on_the_diagonal():
    bins = [ReliabilityBin(at, at, 5) for at in (0.1, 0.5, 0.9)]
    svg = parsed(charts.reliability_diagram("it", bins, 0.0))
    x0, y0, x1, y1 = map(float, re.findall(r"[\d.]+", svg.find("path[@class='diagonal']").get("d")))
    for dot in svg.findall("circle"):
        along = (float(dot.get("cx")) - x0) / (x1 - x0)
        assert (float(dot.get("cy")) - y0) / (y1 - y0) == pytest.approx(along, abs=1e-3)


def test_a_diagram_without_any_promise_is_drawn_empty():
    svg = parsed(charts.reliability_diagram("it", [], 0.0))
    assert not svg.findall("circle")


def test_a_map_keeps_distances_in_proportion_and_stays_inside():
    corners = [(0, 0), (1, 0), (0, 0.5), (1, 0.5)]
    points = [Point(row, x, y, "a", "a") for row, (x, y) in enumerate(corners)]
    svg = parsed(charts.space_map("it", points, charts.looks_of(["a"])))
    height = float(svg.get("viewBox").split()[3])
    placed = [(float(use.get("x")), float(use.get("y"))) for use in svg.iter("use")]
    (left, top), (right, bottom) = placed[0], placed[3]
    assert (right - left) == pytest.approx(2 * (bottom - top), abs=0.2)
    assert left >= MAP_MARGIN
    assert right <= MAP_WIDTH - MAP_MARGIN
    assert bottom <= height - MAP_MARGIN + 0.5


def test_a_point_read_as_another_value_is_told_from_the_others():
    points = [Point(0, 0, 0, "a", "a"), Point(1, 1, 1, "a", "b")]
    svg = parsed(charts.space_map("it", points, charts.looks_of(["a", "b"])))
    right, wrong = svg.iter("use")
    assert (right.get("class"), right.get("data-read")) == (None, None)
    assert (wrong.get("class"), wrong.get("data-read")) == ("misread", "b")
    assert "1 of them read as another value" in svg.get("aria-label")


def test_names_with_markup_stay_names():
    points = [Point(0, 0, 0, 'a"<b>', "&")]
    svg = parsed(charts.space_map("<i>", points, charts.looks_of(['a"<b>'])))
    assert svg.find("g").get("data-value") == 'a"<b>'
    assert next(svg.iter("use")).get("data-read") == "&"


def test_forty_values_look_different_each():
    looks = charts.looks_of([f"value {i}" for i in range(40)])
    assert len({(look.shape, look.color) for look in looks.values()}) == 40


def test_neighbouring_values_differ_in_shape_too():
    shapes = [look.shape for look in charts.looks_of([f"v{i}" for i in range(16)]).values()]
    assert all(a != b for a, b in pairwise(shapes))
    assert max(shapes) < len(SHAPES)


def test_values_that_name_colours_are_drawn_in_them():
    looks = charts.looks_of(["navy", "red", "multi"])
    assert [looks[name].color for name in ("navy", "red")] == ["navy", "red"]
    assert looks["multi"].color in {f"url(#{charts.MANY_COLORS})"}
    assert f'id="{charts.MANY_COLORS}"' in charts.shapes()
    # One colour's name among other words is a word.
    assert charts.looks_of(["tan", "crew", "scoop"])["tan"].color != "tan"
