import doctest

import pytest

from service.catalog.where import matches, parse_where
from service.cli import conditions
from service.cli.conditions import parse_conditions, parse_replacements, parse_weights
from service.cli.failures import CommandError

GARMENTS = {
    "coat": {"brand": "Alder", "price": 129.5, "in_stock": True, "size": ["M", "L"], "no": "007"},
    "sock": {"brand": "Plain & Kin", "price": 4, "in_stock": False, "size": "42"},
    "boot": {"brand": "alder=oak", "price": 80, "size": 42, "note": None, "line": "Infinity"},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["brand=Alder"], "coat"),
        (["brand = Plain & Kin"], "sock"),
        (["brand!=Alder"], "sock boot"),
        (["brand=alder=oak"], "boot"),
        (["price<=80"], "sock boot"),
        (["price<80"], "sock"),
        (["price>80"], "coat"),
        (["price >= 80"], "coat boot"),
        (["price>=5", "price<100"], "boot"),
        (["in_stock=true"], "coat"),
        (["in_stock!=true"], "sock boot"),
        (["size=42"], "sock boot"),
        (['size="42"'], "sock"),
        (['size=["L", 42]'], "coat boot"),
        (['size!=["L", 42]'], "sock"),
        (["size=L", "size=M"], "coat"),
        (["no=007"], "coat"),
        (["note=null"], "boot"),
        (["line=Infinity"], "boot"),
        (["brand>B"], "sock boot"),
        ([], "coat sock boot"),
    ],
)
def test_conditions_mean_what_they_look_like(where, expected):
    parsed = parse_where(parse_conditions(where))
    found = [name for name, metadata in GARMENTS.items() if matches(metadata, parsed)]
    assert found == expected.split()


@pytest.mark.parametrize("text", ["brand", "=x", "<3", ""])
def test_what_is_no_condition_is_named_with_the_operators(text):
    with pytest.raises(CommandError, match=r"FIELD OPERATOR VALUE.*= != < <= > >="):
        parse_conditions([text])


@pytest.mark.parametrize("text", ["collar=0", "collar=-1", "collar=x", "collar=nan", "collar=1001"])
def test_a_weight_out_of_bounds_is_named(text):
    with pytest.raises(CommandError, match=f"--by {text}: .*above 0"):
        parse_weights([text])


def test_no_weights_stand_for_every_attribute():
    assert parse_weights([]) is None


@pytest.mark.parametrize("text", ["collar", "collar=", "=hood"])
def test_a_replacement_needs_both_parts(text):
    with pytest.raises(CommandError, match="ATTRIBUTE=VALUE"):
        parse_replacements([text])


def test_the_examples_hold():
    assert doctest.testmod(conditions).failed == 0
