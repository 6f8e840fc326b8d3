"""Each example states what a filter means; the filter's text is as a client would write it."""

import pytest

from service.catalog.where import MAX_CONDITIONS, MAX_DEPTH, InvalidFilter, matches, parse_where

SHIRT = {
    "brand": "Acme",
    "price": 80,
    "in_stock": True,
    "size": ["S", "M"],
    "maker": {"country": "PT", "sites": 2},
    "discontinued": None,
    "shop.id": 7,
    "tags": [],
}


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ({}, True),
        ({"brand": "Acme"}, True),
        ({"brand": "acme"}, False),
        ({"brand": "Acme", "price": 79}, False),
        ({"price": 80.0}, True),
        ({"price": {"lte": 80}}, True),
        ({"price": {"lt": 80}}, False),
        ({"price": {"gt": 79.5, "lt": 80.5}}, True),
        ({"price": {"gte": 81}}, False),
        ({"brand": {"gte": "A", "lt": "B"}}, True),
        ({"brand": {"ne": "Acme"}}, False),
        ({"brand": {"nin": ["Other", "Third"]}}, True),
        ({"brand": {"in": []}}, False),
        ({"in_stock": True}, True),
        ({"in_stock": 1}, False),
        ({"in_stock": {"gt": 0}}, False),
        ({"in_stock": {"ne": 1}}, True),
        ({"price": "80"}, False),
        ({"price": {"lt": "90"}}, False),
        ({"price": {"in": ["80", 80]}}, True),
        ({"size": "M"}, True),
        ({"size": {"in": ["L", "S"]}}, True),
        ({"size": {"gt": "R", "lt": "N"}}, True),
        ({"size": {"ne": "M"}}, False),
        ({"size": {"nin": ["L"]}}, True),
        ({"tags": {"exists": True}}, True),
        ({"tags": {"eq": "x"}}, False),
        ({"maker.country": "PT"}, True),
        ({"maker.country.code": "PT"}, False),
        ({"maker": "PT"}, False),
        ({"maker": {"exists": True}}, True),
        ({"shop.id": 7}, True),
        ({"discontinued": None}, True),
        ({"discontinued": {"exists": False}}, False),
        ({"color": None}, False),
        ({"color": {"exists": False}}, True),
        ({"color": {"ne": "red"}}, True),
        ({"color": {"nin": ["red"]}}, True),
        ({"color": {"lt": "red"}}, False),
        ({"any": [{"brand": "Other"}, {"price": 80}]}, True),
        ({"any": [{"brand": "Other"}, {"brand": "Acme", "price": 1}]}, False),
        ({"any": []}, False),
        ({"all": [{"size": "S"}, {"size": "M"}]}, True),
        ({"none": [{"brand": "Other"}, {"price": 1}]}, True),
        ({"none": [{"brand": "Acme"}]}, False),
        ({"none": [{"any": [{"price": 1}, {"none": [{"price": 1}]}]}]}, False),
    ],
)
def test_filter_means(where, passes):
    assert matches(SHIRT, parse_where(where)) is passes


@pytest.mark.parametrize(
    ("where", "path", "said"),
    [
        ({"price": {"below": 3}}, "price.below", "allowed are eq, ne, in, nin, lt"),
        ({"price": {}}, "price", "an operator is needed"),
        ({"size": ["S", "M"]}, "size", '{"in": [...]}'),
        ({"size": {"in": "S"}}, "size.in", "takes a list of values, got 'S'"),
        ({"size": {"in": ["S", ["M"]]}}, "size.in[1]", "a value is a string"),
        ({"size": {"eq": {"a": 1}}}, "size.eq", "a value is a string"),
        ({"price": {"lt": True}}, "price.lt", "takes a number or a string"),
        ({"price": {"exists": "yes"}}, "price.exists", "takes true or false"),
        ({"any": {"price": 3}}, "any", "takes a list of filters"),
        ({"any": [{"price": 3}, {"none": [4]}]}, "any[1].none[0]", "a filter is an object, got 4"),
        ({"any": [{}, {"price": {"lt": None}}]}, "any[1].price.lt", "takes a number"),
        ({"price": float("nan")}, "price", "a number is finite, got nan"),
        ({"price": {"lt": float("inf")}}, "price.lt", "a number is finite, got inf"),
        ({"price": {"in": [1, float("-inf")]}}, "price.in[1]", "a number is finite, got -inf"),
    ],
)
def test_wrong_filter_is_refused_with_its_place_and_what_is_allowed(where, path, said):
    with pytest.raises(InvalidFilter) as caught:
        parse_where(where)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_depth_is_limited():
    where = {"price": 1}
    for _ in range(MAX_DEPTH):
        where = {"any": [where]}
    assert matches({"price": 1}, parse_where(where))
    with pytest.raises(InvalidFilter, match="deep"):
        parse_where({"any": [where]})


def test_number_of_conditions_is_limited():
    with pytest.raises(InvalidFilter, match=str(MAX_CONDITIONS)):
        parse_where({f"field{i}": i for i in range(MAX_CONDITIONS + 1)})
