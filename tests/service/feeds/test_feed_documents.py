import json
import random

import pytest

from service.feeds import documents
from service.feeds.documents import is_lines, read_document, read_lines
from service.feeds.records import FeedError, Problem
from service.feeds.text import FeedText


@pytest.fixture
def opened(tmp_path):
    def open_text(content):
        path = tmp_path / "feed.json"
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        return FeedText(path)

    return open_text


def random_value(rng, depth=3):
    kind = rng.randint(0, 6 if depth else 4)
    if kind == 5:
        return [random_value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    if kind == 6:
        return {f"k{n}": random_value(rng, depth - 1) for n in range(rng.randint(0, 4))}
    return [
        None,
        True,
        rng.random() * 1e6,
        rng.randint(-(10**12), 10**12),
        'ü"\\]}' * rng.randint(0, 9),
    ][kind]


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_elements_are_the_same_however_the_text_is_cut(opened, monkeypatch, chunk):
    monkeypatch.setattr(documents, "CHUNK_CHARS", chunk)
    rng = random.Random(chunk)
    for indent in (None, 1):
        values = [random_value(rng) for _ in range(12)]
        with opened(json.dumps(values, indent=indent, ensure_ascii=False)) as text:
            assert list(read_document(text)) == list(enumerate(values, 1))
        graph = {"@context": "https://schema.org", "@graph": values, "more": {"a": [1]}}
        with opened(json.dumps(graph, indent=indent)) as text:
            assert list(read_document(text)) == list(enumerate(values, 1))
        with opened(json.dumps({"a": values}, indent=indent)) as text:
            assert list(read_document(text)) == [(1, {"a": values})]


@pytest.mark.parametrize(
    "content",
    [
        "[1, 2",
        "[1 2]",
        "[1,]",
        '{"@graph": [1], }',
        '{"a" 1}',
        "[1] [2]",
        "{1: 2}",
        "[NaN]",
        "[" * 9000,
    ],
)
def test_a_malformed_document_is_a_feed_error(opened, content):
    with opened(content) as text, pytest.raises(FeedError):
        list(read_document(text))


def test_elements_before_a_fault_are_given(opened):
    with opened('[{"a": 1}, {"b": 2}, {"c": ]') as text:
        elements = read_document(text)
        assert [next(elements), next(elements)] == [(1, {"a": 1}), (2, {"b": 2})]
        with pytest.raises(FeedError):
            next(elements)


def test_a_malformed_line_costs_that_line_alone(opened):
    lines = ['{"a": 1}', '{"a": ', "", "[" * 9000, '{"a": 1e999}', '{"a": Infinity}', '{"b": 2}']
    with opened("\n".join(lines)) as text:
        found = list(read_lines(text))
    assert [one for one in found if not isinstance(one, Problem)] == [
        (1, {"a": 1}),
        (5, {"a": float("inf")}),
        (7, {"b": 2}),
    ]
    assert [one.number for one in found if isinstance(one, Problem)] == [2, 4, 6]


def test_lines_are_told_from_a_document_by_the_first_line():
    assert is_lines('\n{"a": 1}\n{"b": 2}')
    assert is_lines('[{"a": 1}]\n')
    assert not is_lines('{\n "a": 1}')
    assert not is_lines('[{"a": 1},\n{"b": 2}]')
