import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from model.report.tradeoff import Candidate, front, picture

SVG = "{http://www.w3.org/2000/svg}"
CANDIDATES = [
    Candidate("cheap", 2.0, 0.40, 0.01),
    Candidate("beaten", 5.0, 0.38, 0.02),
    Candidate("middle", 4.0, 0.45),
    Candidate("best.onnx", 9.0, 0.57, own=True),
]


def drawn(candidates=CANDIDATES, **given):
    words = {"title": "Cost", "cost": "ms", "quality": "MAP", "notes": ["a note"]} | given
    return ElementTree.fromstring(picture(candidates, **words))


def marks(svg):
    """Names with the pixels of their marks."""
    found = {}
    for group in svg.iter(f"{SVG}g"):
        at = group.find(f"{SVG}path[@class='mark']").get("transform")
        x, y = map(float, re.findall(r"[\d.]+", at))
        found[group.find(f"{SVG}text").text] = (x, y)
    return found


def test_the_front_is_what_no_other_beats():
    names = {each.name for each in front(CANDIDATES)}
    slow = {
        a.name
        for a in CANDIDATES
        if not any(
            b.cost <= a.cost
            and b.quality >= a.quality
            and (b.cost, b.quality) != (a.cost, a.quality)
            for b in CANDIDATES
        )
    }
    assert names == slow == {"cheap", "middle", "best.onnx"}


def test_of_two_that_are_equal_the_first_is_on_the_front():
    twins = [Candidate("a", 1.0, 0.5), Candidate("b", 1.0, 0.5), Candidate("c", 1.0, 0.4)]
    assert [each.name for each in front(twins)] == ["a"]


def test_dearer_is_further_right_and_better_further_up():
    at = marks(drawn())
    assert sorted(at, key=lambda name: at[name][0]) == ["cheap", "middle", "beaten", "best.onnx"]
    assert sorted(at, key=lambda name: -at[name][1]) == ["beaten", "cheap", "middle", "best.onnx"]


def test_marks_stand_where_the_ticks_say():
    svg = drawn()
    across = [
        (float(text.get("x")), float(text.text))
        for text in svg.iter(f"{SVG}text")
        if text.get("class") == "tick" and text.get("text-anchor") == "middle"
    ]
    (x0, ms0), (x1, ms1) = across[0], across[-1]
    for each in CANDIDATES:
        expected = x0 + (x1 - x0) * (each.cost - ms0) / (ms1 - ms0)
        assert marks(svg)[each.name][0] == pytest.approx(expected, abs=0.2)


def test_the_front_is_joined_in_steps_and_its_marks_are_filled():
    svg, at = drawn(), marks(drawn())
    line = svg.find(f"{SVG}path[@class='front']").get("d")
    numbers = [float(n) for n in re.findall(r"[\d.]+", line)]
    corners = [at[name] for name in ("cheap", "middle", "best.onnx")]
    assert numbers[:-1] == [n for corner in corners for n in corner]
    assert re.sub(r"[\d. ]", "", line) == "MHVHVH"
    best = [g.find(f"{SVG}text").text for g in svg.iter(f"{SVG}g") if "best" in g.get("class")]
    assert best == ["cheap", "middle", "best.onnx"]


def test_a_spread_is_drawn_to_both_sides_and_none_where_there_is_one_run():
    svg = drawn()
    bars = {
        g.find(f"{SVG}text").text: g.find(f"{SVG}path[@class='spread']")
        for g in svg.iter(f"{SVG}g")
    }
    assert bars["middle"] is None
    lengths = {}
    for name in ("cheap", "beaten"):
        upper, lower = map(
            float, re.match(r"M[\d.]+ ([\d.]+)V([\d.]+)", bars[name].get("d")).groups()
        )
        assert (upper + lower) / 2 == pytest.approx(marks(svg)[name][1], abs=0.1)
        lengths[name] = lower - upper
    assert lengths["beaten"] == pytest.approx(2 * lengths["cheap"], abs=0.3)


def test_costs_far_apart_are_drawn_logarithmically_and_it_is_said():
    def said(candidates):
        return "ms, logarithmic" in [text.text for text in drawn(candidates).iter(f"{SVG}text")]

    assert said([Candidate("a", 1.0, 0.4), Candidate("b", 60.0, 0.5)])
    assert not said(CANDIDATES)


def test_names_of_equal_candidates_stand_apart():
    svg = drawn([Candidate(f"twin {i}", 3.0, 0.5, 0.01) for i in range(6)])
    boxes = []
    for text in svg.iter(f"{SVG}text"):
        if text.get("class") == "label":
            width, x, y = 7 * len(text.text), float(text.get("x")), float(text.get("y"))
            left = x - width * {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
            boxes.append((left, left + width, y - 12, y))
    assert len(boxes) == 6
    for (left, right, top, bottom), (left2, right2, top2, bottom2) in combinations(boxes, 2):
        assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top


def test_the_file_needs_nothing_beside_it_and_knows_light_and_dark():
    text = picture(CANDIDATES, title="Cost", cost="ms", quality="MAP", notes=[])
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|url\(|@import|<script|<image", text)
    used = set(re.findall(r"var\((--\w+)\)", text))
    assert used <= set(re.findall(r"(--\w+):", text))


def test_all_figures_are_said_to_those_who_cannot_see_them():
    svg = drawn()
    assert svg.get("role") == "img"
    said = svg.get("aria-label")
    assert "cheap: MAP 0.400 ± 0.010, 2.00 ms, on the front" in said
    assert "beaten: MAP 0.380 ± 0.020, 5.00 ms;" in said


def test_markup_in_names_stays_words():
    svg = drawn([Candidate('<b>"&', 1.0, 0.5)], title="<i>", notes=["<u>"])
    assert set(marks(svg)) == {'<b>"&'}
    assert {"<i>", "<u>"} <= {text.text for text in svg.iter(f"{SVG}text")}


@pytest.mark.parametrize("candidates", [[], [Candidate("free", 0.0, 0.5)]])
def test_nothing_to_draw_is_refused(candidates):
    with pytest.raises(ValueError, match="cost above 0"):
        drawn(candidates)
