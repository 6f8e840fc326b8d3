"""The short way to write weights and filters on a command line: `sleeve_length=0.5`, `price<=80`.

Unlike JSON, `size=42` does not say whether 42 is a number or a text, so equality takes both.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, NoReturn

from pydantic import JsonValue

from service.cli.failures import CommandError

OPERATORS: Final = {"=": "in", "!=": "nin", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
MAX_WEIGHT: Final = 1000

_CONDITION: Final = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|!=|<|>|=)\s*(.*?)\s*", re.DOTALL)


def parse_weights(by: Sequence[str]) -> dict[str, float] | None:
    """Weights by attribute; None when none were given, which stands for all attributes.

    Raises:
        CommandError: naming what was received and what is allowed.

    >>> parse_weights(["collar", "sleeve_length=0.5"])
    {'collar': 1.0, 'sleeve_length': 0.5}
    """
    weights: dict[str, float] = {}
    for text in by:
        name, equals, figure = text.partition("=")
        try:
            weight = float(figure) if equals else 1.0
        except ValueError:
            weight = 0.0
        if not 0 < weight <= MAX_WEIGHT:
            raise CommandError(
                f"--by {text}: a weight is a number above 0, at most {MAX_WEIGHT}, "
                "as in sleeve_length=0.5"
            )
        weights[name.strip()] = weight
    return weights or None


def parse_conditions(where: Sequence[str]) -> dict[str, JsonValue]:
    """The filter that all the conditions make together; empty when there are none.

    A condition is FIELD OPERATOR VALUE. The value may be JSON: quotes make a text of anything,
    and a list stands for any of its elements.

    Raises:
        CommandError: naming what was received and what is allowed.

    >>> parse_conditions(["brand=x", "price<=80"])
    {'all': [{'brand': {'in': ['x']}}, {'price': {'lte': 80}}]}
    >>> parse_conditions(["size=42", 'tag!=["new", "sale"]'])
    {'all': [{'size': {'in': [42, '42']}}, {'tag': {'nin': ['new', 'sale']}}]}
    """
    return {"all": [_condition(text) for text in where]} if where else {}


def parse_replacements(replace: Sequence[str]) -> dict[str, str] | None:
    """Values to swap in, by attribute.

    Raises:
        CommandError: naming what was received and what is allowed.

    >>> parse_replacements(["collar=hood"])
    {'collar': 'hood'}
    """
    swaps: dict[str, str] = {}
    for text in replace:
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise CommandError(f"--replace {text}: give ATTRIBUTE=VALUE, as in collar=hood")
        swaps[name] = value
    return swaps or None


def _condition(text: str) -> JsonValue:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise CommandError(
            f"--where {text}: give FIELD OPERATOR VALUE, as in price<=80; "
            f"operators are {' '.join(OPERATORS)}"
        )
    field, sign, value = found.groups()
    operator = OPERATORS[sign]
    operand = _alternatives(value) if operator in ("in", "nin") else _read(value)
    return {field: {operator: operand}}


def _alternatives(text: str) -> JsonValue:
    read = _read(text)
    if isinstance(read, list):
        return read
    return [read] if isinstance(read, str) else [read, text]


def _read(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    return value


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity are no JSON: a brand of that name is a text."""
    raise ValueError(constant)
