import pytest

from model.report.axes import LOG_FROM, MOST_TICKS, Axis


def test_figures_stand_in_proportion_with_room_at_both_ends():
    axis = Axis.around([2.0, 4.0, 3.0], 100, 500)
    low, middle, high = (axis.at(figure) for figure in (2.0, 3.0, 4.0))
    assert 100 < low < high < 500
    assert middle == pytest.approx((low + high) / 2)


def test_an_axis_may_grow_upwards():
    axis = Axis.around([0.4, 0.6], 300, 20)
    assert 20 < axis.at(0.6) < axis.at(0.4) < 300


def test_figures_far_apart_stand_by_their_ratio_where_that_is_allowed():
    figures = [1.0, 10.0, 100.0]
    first, second, third = (
        Axis.around(figures, 0, 600, may_be_log=True).at(figure) for figure in figures
    )
    assert second - first == pytest.approx(third - second)
    assert not Axis.around(figures, 0, 600).log
    assert not Axis.around([1.0, LOG_FROM - 0.1], 0, 600, may_be_log=True).log


@pytest.mark.parametrize(
    ("figures", "logarithmic"),
    [
        ([0.412, 0.573], False),
        ([9.0, 35.7], False),
        ([0.0004, 0.0005], False),
        ([1200.0, 90_000.0], False),
        ([3.0, 91.0], True),
        ([0.02, 0.2], True),
        ([7.0, 7.0], False),
        ([0.0], False),
    ],
)
def test_ticks_are_few_round_and_where_they_say(figures, logarithmic):
    axis = Axis.around(figures, 0, 500, may_be_log=logarithmic)
    assert axis.log == logarithmic
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= MOST_TICKS + 1
    for pixel, text in ticks:
        assert 0 <= pixel <= 500
        assert axis.at(float(text)) == pytest.approx(pixel, abs=0.01)
        assert len(text.replace(".", "").strip("0-")) <= 3
    assert len({text for _, text in ticks}) == len(ticks)
