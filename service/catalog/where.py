"""Filters on metadata: how they are written and what they mean.

`holds` is the only place where a condition meets a value. `matches` asks it once per garment,
`columns` once per distinct value of a field; that is why the two cannot disagree.
"""

# ruff: noqa: N818  -- named for what is the matter, like the API's errors
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

MAX_DEPTH = 16
"""Filters within filters."""
MAX_CONDITIONS = 256
"""Conditions and groups in one filter; each passes once over the garments."""

Operator = Literal["eq", "ne", "in", "nin", "lt", "lte", "gt", "gte", "exists"]
Kind = Literal["null", "boolean", "number", "string"]
Scalar = tuple[Kind, str | int | float | bool | None]

MEMBERSHIP: tuple[Operator, ...] = ("eq", "ne", "in", "nin")
ORDER: dict[Operator, Callable[[object, object], bool]] = {
    "lt": lambda a, b: a < b,  # type: ignore[operator]
    "lte": lambda a, b: a <= b,  # type: ignore[operator]
    "gt": lambda a, b: a > b,  # type: ignore[operator]
    "gte": lambda a, b: a >= b,  # type: ignore[operator]
}
OPERATORS: tuple[Operator, ...] = (*MEMBERSHIP, *ORDER, "exists")
GROUPS = ("any", "all", "none")


class InvalidFilter(ValueError):
    """A filter that means nothing.

    Attributes:
        path: where in the filter, as in `any[0].price.lte`; empty for the filter itself.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'filter'}: {problem}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one field. Operands carry their kind, so that true never equals 1."""

    field: str
    operator: Operator
    operand: frozenset[Scalar] | Scalar | bool


@dataclass(frozen=True, slots=True)
class Group:
    """Filters of which all, at least one, or none must match."""

    mode: Literal["any", "all", "none"]
    parts: tuple["Condition | Group", ...]


Where = Condition | Group


class Missing:
    """The field is not there, which differs from a null in it."""


MISSING = Missing()


def parse_where(source: Mapping[str, JsonValue]) -> Where:
    """Read a filter.

    A field takes a scalar, meaning equality, or an object of operators, all of which must hold:
    eq, ne, lt, lte, gt, gte with one value, in and nin with a list, exists with true or false.
    Fields are joined by "and"; `any`, `all` and `none` take a list of filters. A dotted name
    reaches into nested objects. A list in the metadata satisfies an operator when one of its
    elements does; ne and nin are the opposites of eq and in, so they hold for a list without the
    value and for a missing field. Values of different kinds are never equal and have no order;
    a boolean is not a number.

    Raises:
        InvalidFilter: naming the place and what is allowed there.
    """
    where = _parse_group("all", [source], "", 0)
    if _size(where) > MAX_CONDITIONS:
        raise InvalidFilter(
            "", f"{_size(where)} conditions and groups; at most {MAX_CONDITIONS} are allowed"
        )
    return where


def matches(metadata: Mapping[str, JsonValue], where: Where) -> bool:
    """Whether a garment with this metadata passes the filter."""
    if isinstance(where, Condition):
        return holds(where, value_at(metadata, where.field))
    answers = (matches(metadata, part) for part in where.parts)
    if where.mode == "all":
        return all(answers)
    return any(answers) == (where.mode == "any")


def value_at(metadata: Mapping[str, JsonValue], field: str) -> JsonValue | Missing:
    """The value of a field; a key with that very name goes before the dotted reading of it."""
    if field in metadata:
        return metadata[field]
    value: JsonValue | Mapping[str, JsonValue] = metadata
    for key in field.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return MISSING
        value = value[key]
    return value  # type: ignore[return-value]


def holds(condition: Condition, value: JsonValue | Missing) -> bool:
    """Whether one condition is satisfied by the value of its field."""
    operator, operand = condition.operator, condition.operand
    if operator == "exists":
        return (value is not MISSING) == operand
    scalars = list(_scalars(value))
    if isinstance(operand, frozenset):
        return any(scalar in operand for scalar in scalars) == (operator in ("eq", "in"))
    assert isinstance(operand, tuple)
    kind, bound = operand
    compare = ORDER[operator]
    return any(own == kind and compare(number, bound) for own, number in scalars)


def _scalars(value: JsonValue | Missing) -> Iterable[Scalar]:
    elements = value if isinstance(value, list) else [value]
    return (scalar for element in elements if (scalar := _scalar(element)) is not None)


def _scalar(value: JsonValue | Missing) -> Scalar | None:
    if value is None:
        return ("null", None)
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", value)
    return ("string", value) if isinstance(value, str) else None


def _parse_group(
    mode: Literal["any", "all", "none"],
    sources: Sequence[Mapping[str, JsonValue]],
    path: str,
    depth: int,
) -> Group:
    if depth > MAX_DEPTH:
        raise InvalidFilter(path, f"nested more than {MAX_DEPTH} deep")
    parts: list[Where] = []
    for position, source in enumerate(sources):
        place = f"{path}[{position}]" if path else ""
        if not isinstance(source, Mapping):
            raise InvalidFilter(place, f"a filter is an object, got {_shown(source)}")
        entries = [_parse_entry(key, value, place, depth) for key, value in source.items()]
        whole = [part for entry in entries for part in entry]
        parts.append(whole[0] if len(whole) == 1 else Group("all", tuple(whole)))
    return Group(mode, tuple(parts))


def _parse_entry(key: str, value: JsonValue, place: str, depth: int) -> list[Where]:
    path = f"{place}.{key}" if place else key
    if key in GROUPS:
        if not isinstance(value, list):
            raise InvalidFilter(path, f"takes a list of filters, got {_shown(value)}")
        return [_parse_group(key, value, path, depth + 1)]  # type: ignore[arg-type]
    if isinstance(value, dict):
        if not value:
            raise InvalidFilter(path, f"an operator is needed: {', '.join(OPERATORS)}")
        return [_parse_condition(key, name, operand, path) for name, operand in value.items()]
    if isinstance(value, list):
        raise InvalidFilter(path, 'a list is not a value; for one of several use {"in": [...]}')
    return [Condition(key, "eq", frozenset([_parse_scalar(value, path)]))]


def _parse_condition(field: str, name: str, operand: JsonValue, path: str) -> Condition:
    path = f"{path}.{name}"
    for operator in OPERATORS:
        if operator == name:
            break
    else:
        raise InvalidFilter(path, f"no such operator; allowed are {', '.join(OPERATORS)}")
    if operator == "exists":
        if not isinstance(operand, bool):
            raise InvalidFilter(path, f"takes true or false, got {_shown(operand)}")
        return Condition(field, operator, operand)
    if operator in ("in", "nin"):
        if not isinstance(operand, list):
            raise InvalidFilter(path, f"takes a list of values, got {_shown(operand)}")
        scalars = [_parse_scalar(one, f"{path}[{i}]") for i, one in enumerate(operand)]
        return Condition(field, operator, frozenset(scalars))
    scalar = _parse_scalar(operand, path)
    if operator in ORDER:
        if scalar[0] not in ("number", "string"):
            raise InvalidFilter(path, f"takes a number or a string, got {_shown(operand)}")
        return Condition(field, operator, scalar)
    return Condition(field, operator, frozenset([scalar]))


def _parse_scalar(value: JsonValue, path: str) -> Scalar:
    scalar = _scalar(value)
    if scalar is None:
        raise InvalidFilter(
            path, f"a value is a string, a number, true, false or null; got {_shown(value)}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidFilter(path, f"a number is finite, got {_shown(value)}")
    return scalar


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _size(where: Where) -> int:
    return 1 if isinstance(where, Condition) else sum(1 + _size(part) for part in where.parts)
