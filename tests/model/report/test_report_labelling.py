from itertools import combinations

import pytest

from model.report.labelling import CHARACTER, NEAR, Box, place_labels

FRAME = Box(0, 0, 600, 300)


def around(places, half=7):
    return [Box(x - half, y - half, x + half, y + half) for x, y in places]


def placed(names, places, **given):
    given = {"taken": around(places), "crossed": [], "frame": FRAME} | given
    return place_labels(names, places, **given)


def test_a_lone_name_stands_to_the_right_of_its_mark():
    (label,) = placed(["alone"], [(100, 100)])
    assert label.box.left == 100 + NEAR
    assert label.box.right - label.box.left == CHARACTER * len("alone")
    assert label.box.top < 100 < label.box.bottom
    assert not label.far


@pytest.mark.parametrize("apart", [0, 3, 25])
def test_names_of_marks_in_a_heap_lie_neither_on_each_other_nor_on_marks(apart):
    names = [f"design number {i}" for i in range(12)]
    places = [(300 + apart * (i % 4), 150 + apart * (i // 4)) for i in range(12)]
    labels = placed(names, places)
    for a, b in combinations(labels, 2):
        assert not a.box.meets(b.box)
    for label in labels:
        assert label.box.within(FRAME)
        assert not any(label.box.meets(mark) for mark in around(places))
    assert any(label.far for label in labels)


def test_a_name_at_the_right_edge_stands_on_the_other_side():
    (label,) = placed(["at the edge"], [(590, 100)])
    assert label.box.right == 590 - NEAR


def test_a_name_keeps_off_a_line_where_there_is_room_beside_it():
    line = Box(100, 100, 600, 100)
    (label,) = placed(["on the line"], [(100, 100)], crossed=[line])
    assert not label.box.meets(line)


def test_boxes_that_only_touch_do_not_meet():
    box = Box(0, 0, 10, 10)
    assert box.meets(Box(9, 9, 20, 20))
    assert not box.meets(Box(10, 0, 20, 10))
    assert box.meets(Box(-5, 5, 15, 5))  # a line through it
    assert box.nearest(20, -3) == (10, 0)
