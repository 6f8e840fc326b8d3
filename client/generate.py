"""Writes `lapel_client/answers.py` from the contract: ``python client/generate.py openapi.json``.

The client is a package of its own and may not import the service's models, so its answer types are
made from the document that the service publishes. Only answers are, and what webhooks bring: what
is sent is written by hand in `lapel_client/calls*.py`, where a name reads better than a schema.
A field called as a method of pydantic's models, such as `copy`, gets a `_` behind it.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

WIDTH = 96
MAX_LINE = 101
"""Of the formatter, with the newline."""
REFERENCE = "#/components/schemas/"
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
HEAD = '''"""What the service answers, made from its contract by `client/generate.py`: edit nothing.

Fields that this version does not know are left out, so that a newer service can be talked to.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Answer(BaseModel):
    """Base of all answers and their parts."""

    model_config = ConfigDict(frozen=True, extra="ignore")
'''

Schema = dict[str, Any]


def main(contract: Path) -> None:
    """Write the module to standard output."""
    sys.stdout.write(generate(json.loads(contract.read_text(encoding="utf-8"))))


def generate(document: Schema) -> str:
    """The module's text.

    Args:
        document: an OpenAPI 3.1 document.
    """
    schemas: dict[str, Schema] = document["components"]["schemas"]
    answers = [r for path in document["paths"].values() for r in _responses(path)]
    answers += [
        operation["requestBody"]
        for webhook in document.get("webhooks", {}).values()
        for operation in webhook.values()
    ]
    return "".join([HEAD, *(_class(name, schemas[name]) for name in _needed(answers, schemas))])


def _responses(path: Schema) -> Iterator[Schema]:
    for operation in path.values():
        yield from operation["responses"].values()


def _needed(start: list[Schema], schemas: dict[str, Schema]) -> list[str]:
    """Every schema that the answers lead to, each behind those it is made of."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in ordered and name != "JsonValue":
            for inner in sorted(set(_references(schemas[name]))):
                visit(inner)
            ordered.append(name)

    for name in sorted({name for response in start for name in _references(response)}):
        visit(name)
    return ordered


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(REFERENCE)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def _class(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    fields = [_field(n, f, n in required) for n, f in schema["properties"].items()]
    text = schema.get("description", f"{name}.")
    return f"\n\nclass {name}(Answer):\n{_docstring(text)}\n{''.join(fields)}"


def _field(name: str, schema: Schema, required: bool) -> str:
    default = None if required else _default(schema)
    if hasattr(BaseModel, name):
        given = "" if default is None else f"default={default}, "
        name, default = f"{name}_", f'Field({given}alias="{name}")'
    line = _broken(f"    {name}: {_type(schema)}{'' if default is None else f' = {default}'}\n")
    return line + (_docstring(schema["description"]) if "description" in schema else "")


def _broken(line: str) -> str:
    """Where a line is too long for the formatter, what is in its brackets goes on its own."""
    if len(line) <= MAX_LINE:
        return line
    head, _, rest = line.partition("[")
    inner, _, tail = rest.rpartition("]")
    return f"{head}[\n        {inner}\n    ]{tail}"


def _docstring(text: str) -> str:
    lines = [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, WIDTH - 7) or [""]
    ]
    if len(lines) == 1:
        return f'    """{lines[0]}"""\n'
    body = "".join(f"    {line}\n" if line else "\n" for line in lines[1:])
    return f'    """{lines[0]}\n{body}    """\n'


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE)
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(json.dumps(value) for value in values)}]"
    kind = schema.get("type")
    if kind == "null":
        return "None"
    if kind == "array" and "prefixItems" in schema:
        return f"tuple[{', '.join(map(_type, schema['prefixItems']))}]"
    if kind == "array":
        return f"list[{_type(schema['items'])}]"
    if kind == "object":
        inner = schema.get("additionalProperties", {})
        return f"dict[str, {_type(inner) if isinstance(inner, dict) and inner else 'JsonValue'}]"
    if kind in SCALARS:
        return SCALARS[kind]
    raise ValueError(f"a schema of a kind that no answer has had so far: {schema}")


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value in ([], {}) or (value is None and schema.get("type") in ("array", "object")):
        return f"Field(default_factory={'dict' if schema['type'] == 'object' else 'list'})"
    return "None" if value is None else json.dumps(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
